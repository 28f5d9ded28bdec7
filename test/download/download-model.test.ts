import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { WITHHELD } from '../../src/download/download-policy.ts'
import { fakeUpstream, type Script } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { openReader, readFrom, readBlob, type Rig, rig } from '../support/rig.ts'

/** A reader waits some turns of the event loop, reads a range in pieces, and may leave after some of them. */
interface Reader {
  readonly after: number
  readonly from: number
  readonly to: number
  readonly piece: number
  readonly leavesAfter: number | undefined
}

const share = fc.double({ min: 0, max: 1, noNaN: true })
const reader: fc.Arbitrary<Reader> = fc.record({
  after: fc.nat(60),
  from: share,
  to: share,
  piece: fc.integer({ min: 500, max: 100_000 }),
  leavesAfter: fc.option(fc.nat(5), { nil: undefined, freq: 3 }),
})

/** What goes wrong with one answer of upstream, `at` a share of the blob. */
const fault = fc.record({
  kind: fc.constantFrom('reset', 'finish', 'flip', '503', '416', 'chunked', 'ignored range', 'fine'),
  at: share,
})

function scriptOf({ kind, at }: { kind: string; at: number }, bytes: Buffer): Script {
  const k = Math.floor(at * bytes.length)
  switch (kind) {
    case 'reset':
    case 'finish':
      return { atByte: { k, then: kind } }
    case 'flip':
      return { flipByte: Math.min(k, bytes.length - 1) }
    case '503':
    case '416':
      return { status: Number(kind) }
    case 'chunked':
      return { contentLength: 'chunked' }
    case 'ignored range':
      return { status: 200, headers: { 'Content-Range': undefined }, body: bytes }
    default:
      return {}
  }
}

test('whatever readers, upstream and eviction do, every completed read has the true bytes', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await rig({ upstream, policy: { retryDelay: 1, finishBelow: 0, segmentAbove: 65_536 } })
  let seed = 0

  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 200_000 }),
      fc.array(reader, { minLength: 1, maxLength: 6 }),
      fc.array(fault, { maxLength: 4 }),
      fc.option(fc.nat(60), { nil: undefined }),
      async (size, readers, faults, evictAfter) => {
        const { bytes, digest } = blobOf(size, ++seed)
        const path = `/v2/library/app/blobs/${digest}`
        upstream.addBlob(bytes)
        const flips = faults.filter(({ kind }) => kind === 'flip').length
        // A second mismatch would start the failure backoff, which another test shows.
        const isMismatch = ({ kind }: { kind: string }): boolean => kind === 'flip' || kind === '416'
        const isTooMuch = faults.filter(isMismatch).length > 1
        const faulty = isTooMuch ? faults.filter((one) => !isMismatch(one)) : faults
        for (const one of faulty) upstream.on(path, scriptOf(one, bytes))

        const outcomes = await Promise.all([
          ...readers.map((one) => act(proxy, one, bytes, digest, faulty.length < faults.length ? 0 : flips)),
          evict(proxy, digest, evictAfter),
        ])
        if (faulty.every(({ kind }) => kind === 'fine')) assert.ok(!outcomes.includes('failed'))

        for (let left = faulty.length; left > 0; left--) {
          await readBlob(proxy.repository(), digest).catch(() => {})
        }
        assert.deepEqual(await readBlob(proxy.repository(), digest), bytes)
        await eventually(() => proxy.downloads.list().length === 0)
        upstream.content.blobs.delete(digest)
        await proxy.store.blobs.delete(digest)
      },
    ),
    { numRuns: 1000, endOnFailure: true },
  )
  await eventually(() => upstream.connections <= 4)
})

async function act(
  proxy: Rig,
  { after, from, to, piece, leavesAfter }: Reader,
  bytes: Buffer,
  digest: Parameters<typeof readBlob>[1],
  flips: number,
): Promise<'read' | 'left' | 'failed'> {
  await turns(after)
  const start = Math.floor(Math.min(from, to) * bytes.length)
  const end = Math.ceil(Math.max(from, to) * bytes.length)
  const leaving = leavesAfter === undefined ? end : Math.min(end, start + leavesAfter * piece)
  try {
    await using opened = await openReader(proxy.repository(), digest)
    assert.ok(opened, 'a blob that exists was not found')
    assert.equal(opened.descriptor.size, bytes.length)
    const read = await readFrom(opened, start, leaving, piece)
    // Only the withheld end is certain: earlier ranges are passed on before they are verified.
    const verified = flips === 0 || leaving > bytes.length - WITHHELD
    if (verified) assert.deepEqual(read, bytes.subarray(start, leaving))
    return leaving === end ? 'read' : 'left'
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return 'failed'
  }
}

async function evict(proxy: Rig, digest: Parameters<typeof readBlob>[1], after: number | undefined) {
  if (after === undefined) return
  await turns(after)
  await proxy.store.blobs.delete(digest)
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}
