import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { digestOf } from '../../src/oci/digest.ts'
import { HashThread } from '../../src/storage/blobs/hash-thread.ts'
import { RunningHash } from '../../src/storage/blobs/running-hash.ts'
import { IntervalSet } from '../../src/util/interval-set.ts'
import { sharedPiece, usesOf } from '../../src/util/shared-piece.ts'
import { blobOf } from '../support/fixtures.ts'

const MiB = 1024 * 1024
const LONG = 512 * MiB

describe('the thread that hashes', () => {
  test('hashes shared and other memory in order, and says when it is done with a shared piece', async () => {
    const { bytes } = blobOf(3 * MiB)
    using hash = new HashThread(2).begin('sha256', LONG)!
    const pieces = [0, 1, 2].map((at) => {
      const piece = at === 1 ? Buffer.alloc(MiB) : sharedPiece(MiB)
      bytes.copy(piece, 0, at * MiB, (at + 1) * MiB)
      hash.add(piece)
      return piece
    })
    // It was copied.
    pieces[1]!.fill(0)
    await hash.until(0)
    assert.deepEqual(
      [pieces[0]!, pieces[2]!].map((piece) => Atomics.load(usesOf(piece)!, 0)),
      [0, 0],
    )
    assert.equal(await hash.hex(), createHash('sha256').update(bytes).digest('hex'))
  })

  test('takes long content only, two at a time, where there is a core for it', () => {
    assert.equal(new HashThread(1).begin('sha256', LONG), undefined)
    const thread = new HashThread(2)
    assert.equal(thread.begin('sha256', 95 * MiB), undefined)
    using _first = thread.begin('sha256', LONG)!
    const second = thread.begin('sha256', LONG)!
    assert.equal(thread.begin('sha256', LONG), undefined)
    second[Symbol.dispose]()
    using third = thread.begin('sha512', LONG)
    assert.ok(third)
  })
})

test('the thread keeps a process that waits for a hash, and none that has it', async () => {
  const module = new URL('../../src/storage/blobs/hash-thread.ts', import.meta.url).href
  const script = `
    import { HashThread } from ${JSON.stringify(module)}
    using hash = new HashThread(2).begin('sha256', ${LONG})
    hash.add(Buffer.alloc(1000))
    await hash.until(0)
    process.stdout.write(await hash.hex())`
  const args = ['--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 })
  assert.equal(stdout, createHash('sha256').update(Buffer.alloc(1000)).digest('hex'))
})

describe('the hash of content that arrives', () => {
  for (const when of ['while bytes come', 'before the digest is asked for']) {
    test(`when the thread ends ${when}, this thread hashes from the start`, async () => {
      const { bytes } = blobOf(5 * MiB)
      const digest = digestOf(bytes)
      const filled = new IntervalSet()
      const thread = new HashThread(2)
      const readBack = async (buffer: Buffer, position: number): Promise<number> =>
        bytes.copy(buffer, 0, position)
      using hash = new RunningHash(digest, filled, readBack, thread)
      for (let at = 0; at < bytes.length; at += MiB) {
        hash.add(bytes.subarray(at, at + MiB), at, LONG)
        if (at === 2 * MiB && when === 'while bytes come') fail(thread)
        await hash.settled()
        filled.add(at, at + MiB)
        await hash.catchUp(MiB)
      }
      if (when !== 'while bytes come') fail(thread)
      await hash.finish(bytes.length)
    })
  }

  test('wrong bytes are found by the thread too', async () => {
    const { bytes } = blobOf(2 * MiB)
    const filled = new IntervalSet()
    using hash = new RunningHash(digestOf(Buffer.from('other')), filled, async () => 0, new HashThread(2))
    hash.add(bytes, 0, LONG)
    filled.add(0, bytes.length)
    await assert.rejects(hash.finish(bytes.length), { code: 'UPSTREAM_INVALID' })
  })
})

/** An algorithm that does not exist ends the thread. */
function fail(thread: HashThread): void {
  assert.ok(thread.begin('none', LONG))
}
