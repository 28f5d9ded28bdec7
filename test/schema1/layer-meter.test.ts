import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Content } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import { layerMeter } from '../../src/schema1/meter/layer-meter.ts'
import { blobOf, descriptorOf } from '../support/fixtures.ts'
import { nextThread } from '../support/next-thread.ts'
import { EMPTY_LAYER } from '../support/schema1.ts'

const MiB = 1024 * 1024

function content(bytes: Buffer): Content {
  return { descriptor: descriptorOf(bytes), bytes }
}

/** A reader that gives at most `most` bytes at a time. `disposed` counts. */
function readerOf(bytes: Buffer, { most = 50_000, fails = -1 } = {}): BlobReader & { disposed: number } {
  return {
    descriptor: descriptorOf(bytes),
    disposed: 0,
    async read(buffer, position) {
      if (fails >= 0 && position >= fails) throw new RegistryError('UPSTREAM_TIMEOUT')
      return bytes.copy(buffer, 0, position, position + Math.min(most, buffer.length))
    },
    async [Symbol.asyncDispose]() {
      this.disposed += 1
    },
  }
}

describe('a layer is measured', () => {
  const meter = layerMeter()
  after(() => meter[Symbol.asyncDispose]())
  const { bytes: tar } = blobOf(3 * MiB)
  const zeros = Buffer.alloc(2 * MiB)

  for (const [name, bytes, diffId, isGzip, isEmpty] of [
    ['gzip', gzipSync(tar), digestOf(tar), true, false],
    [
      'two members of gzip',
      Buffer.concat([gzipSync(tar), gzipSync(tar)]),
      digestOf(Buffer.concat([tar, tar])),
      true,
      false,
    ],
    ['a plain tar', tar, digestOf(tar), false, false],
    ['a few bytes', tar.subarray(0, 3), digestOf(tar.subarray(0, 3)), false, false],
    ["Docker's layer without files", EMPTY_LAYER, digestOf(Buffer.alloc(1024)), true, true],
    ['zeros in gzip', gzipSync(zeros), digestOf(zeros), true, true],
    ['plain zeros', zeros, digestOf(zeros), false, true],
    ['nothing', Buffer.alloc(0), digestOf(Buffer.alloc(0)), false, true],
  ] as const) {
    test(name, async () => {
      const reader = readerOf(bytes)
      const expected = { digest: digestOf(bytes), size: bytes.length, diffId, isGzip, isEmpty }
      assert.deepEqual(await meter.measure('x', reader), expected)
      assert.equal(reader.disposed, 1)
      assert.deepEqual(await meter.measure('x', content(bytes)), expected)
    })
  }

  test('many at once', async () => {
    const layers = Array.from({ length: 20 }, (_, i) => blobOf(300_000, i + 1).bytes)
    const measured = await Promise.all(layers.map((bytes) => meter.measure('x', readerOf(gzipSync(bytes)))))
    assert.deepEqual(
      measured.map(({ diffId }) => diffId),
      layers.map((bytes) => digestOf(bytes)),
    )
  })

  for (const [name, bytes, problem] of [
    [
      'gzip that is cut off',
      gzipSync(tar).subarray(0, MiB),
      /the layer x is damaged: unexpected end of file/,
    ],
    ['gzip that is damaged', damaged(gzipSync(tar)), /the layer x is damaged/],
    ['zstd', zstdCompressSync(tar), /is compressed by zstd/],
    ['xz', Buffer.from('fd377a585a000004', 'hex'), /is compressed by xz/],
    ['bzip2', Buffer.from('BZh91AY&SY'), /is compressed by bzip2/],
  ] as const) {
    test(`${name} is refused`, async () => {
      const reader = readerOf(bytes)
      await assert.rejects(meter.measure('x', reader), (error: RegistryError) =>
        problem.test(String(error.detail['reason'])),
      )
      assert.equal(reader.disposed, 1)
    })
  }

  test('a reader that fails', async () => {
    const reader = readerOf(tar, { fails: MiB })
    await assert.rejects(meter.measure('x', reader), { code: 'UPSTREAM_TIMEOUT' })
    assert.equal(reader.disposed, 1)
  })

  test('a reader that never answers, and a caller that leaves', async () => {
    const { promise, reject } = Promise.withResolvers<number>()
    const stuck: BlobReader = {
      descriptor: descriptorOf(tar),
      read: () => promise,
      async [Symbol.asyncDispose]() {
        reject(new Error('disposed'))
      },
    }
    const leaving = new AbortController()
    const measuring = meter.measure('x', stuck, leaving.signal)
    leaving.abort(new Error('left'))
    await assert.rejects(measuring, { message: 'left' })
    assert.equal((await meter.measure('x', content(tar))).diffId, digestOf(tar))
  })
})

test('a tar that is longer than the limit is refused before it is read to its end', async () => {
  await using meter = layerMeter({ mostBytes: 8 * MiB })
  // 64 MiB in 64 KiB.
  const bomb = gzipSync(Buffer.alloc(64 * MiB))
  const reader = readerOf(bomb, { most: 4096 })
  await assert.rejects(meter.measure('x', reader), (error: RegistryError) =>
    /the layer x has a tar of more than 8388608 bytes/.test(String(error.detail['reason'])),
  )
  assert.equal(reader.disposed, 1)
  const endless: BlobReader = {
    descriptor: descriptorOf(bomb),
    read: async (buffer) => buffer.fill(1).length,
    async [Symbol.asyncDispose]() {},
  }
  await assert.rejects(meter.measure('x', endless), { code: 'UPSTREAM_INVALID' })
  const huge = { ...readerOf(bomb), descriptor: { ...descriptorOf(bomb), size: 9 * MiB } }
  await assert.rejects(meter.measure('x', huge), (error: RegistryError) =>
    /the layer x has 9437184 bytes/.test(String(error.detail['reason'])),
  )
  assert.equal(huge.disposed, 1)
})

test('when the thread ends, so does what it measures, and the next layer gets another', async () => {
  await using meter = layerMeter()
  const thread = nextThread()
  const reader = { ...readerOf(blobOf(MiB).bytes), read: async (buffer: Buffer) => buffer.length }
  const measuring = meter.measure('x', reader)
  void (await thread).terminate()
  await assert.rejects(measuring, { code: 'NO_THREAD' })
  assert.equal(reader.disposed, 1)
  const { bytes } = blobOf(MiB)
  assert.equal((await meter.measure('x', content(bytes))).diffId, digestOf(bytes))
})

test('closing ends what is measured', async () => {
  const meter = layerMeter()
  const measuring = meter.measure('x', {
    ...readerOf(blobOf(MiB).bytes),
    read: async (buffer) => buffer.length,
  })
  await meter[Symbol.asyncDispose]()
  await assert.rejects(measuring, { message: 'the layer meter was closed' })
})

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.fill(0xff, MiB, MiB + 100)
  return copy
}
