import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { longContent } from '../../src/cache/memory/long-content.ts'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import { blobOf, descriptorOf } from '../support/fixtures.ts'

/** Readers of some bytes, and what became of them. */
function readers(bytes: Buffer, stored = bytes) {
  const counts = { open: 0, reads: 0 }
  const open = (): BlobReader => {
    counts.open += 1
    return {
      descriptor: descriptorOf(bytes),
      async read(buffer, position) {
        counts.reads += 1
        await new Promise(setImmediate)
        return stored.copy(buffer, 0, position)
      },
      async [Symbol.asyncDispose]() {
        counts.open -= 1
      },
    }
  }
  return { counts, open }
}

suite('SEC-71: long manifests', () => {
  test('are read once for all who ask at the same time and soon after, and each reader is closed', async () => {
    const { bytes } = blobOf(300_000)
    const { counts, open } = readers(bytes)
    const read = longContent()
    const contents = await Promise.all(Array.from({ length: 50 }, () => read(open())))
    const later = await read(open())
    assert.equal(counts.reads, 2)
    assert.equal(counts.open, 0)
    for (const content of [...contents, later]) assert.equal(content?.bytes, contents[0]?.bytes)
    assert.ok(later?.bytes.equals(bytes))
  })

  test('are read a few at a time, in turns of those who ask', async () => {
    const order: string[] = []
    const all = Array.from({ length: 20 }, (_, i) => readers(blobOf(300_000, i).bytes))
    const read = longContent()
    const running = { now: 0, most: 0 }
    await Promise.all(
      all.map(async ({ open }, i) => {
        const reader = open()
        const owner = i === 19 ? 'another' : 'one'
        const counted: BlobReader = {
          ...reader,
          descriptor: reader.descriptor,
          async read(buffer, position) {
            if (position === 0) running.most = Math.max(running.most, (running.now += 1))
            const count = await reader.read(buffer, position)
            if (position + count === reader.descriptor.size) running.now -= 1
            return count
          },
        }
        await read(counted, owner)
        order.push(owner)
      }),
    )
    assert.equal(running.most, 4)
    assert.ok(order.indexOf('another') < 12, order.join(' '))
  })

  test('of which the bytes are damaged are none, and are read again', async () => {
    const { bytes } = blobOf(300_000)
    const damaged = readers(bytes, Buffer.alloc(300_000))
    const read = longContent()
    assert.equal(await read(damaged.open()), undefined)
    const { open } = readers(bytes)
    assert.ok((await read(open()))?.bytes.equals(bytes))
    assert.equal(damaged.counts.open, 0)
  })
})
