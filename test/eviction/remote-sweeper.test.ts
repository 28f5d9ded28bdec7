import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { remoteSweeper, type RemoteSweeperOptions } from '../../src/eviction/remote-sweeper.ts'
import { bucketReport } from '../../src/observe/bucket-report.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RemoteBlob } from '../../src/ports/remote-blobs.ts'
import { blobOf } from '../support/fixtures.ts'

const DAY = 86_400_000
const NOW = 1_000 * DAY
const digests = Array.from({ length: 9 }, (_, i) => blobOf(10, i + 1).digest)

interface Swept {
  readonly left: readonly Digest[]
  readonly touched: readonly Digest[]
  readonly removed: readonly string[]
}

/** `ages`: of the objects, in days. Each has 100 bytes. */
async function swept(ages: readonly number[], options: Partial<RemoteSweeperOptions> = {}): Promise<Swept> {
  const objects = new Map<Digest, RemoteBlob>(
    ages.map((age, i) => [digests[i]!, { digest: digests[i]!, size: 100, storedAt: NOW - age * DAY }]),
  )
  const touched: Digest[] = []
  const removed: string[] = []
  const sweeper = remoteSweeper({
    remote: {
      stat: () => assert.fail('asks for one'),
      open: () => assert.fail('reads'),
      locate: () => assert.fail('sends to one'),
      put: () => assert.fail('writes'),
      async touch(digest) {
        touched.push(digest)
        objects.set(digest, { ...objects.get(digest)!, storedAt: NOW })
      },
      async delete(...some) {
        for (const digest of some) objects.delete(digest)
      },
      async *list() {
        const all = [...objects.values()]
        for (let at = 0; at < all.length; at += 2) yield all.slice(at, at + 2)
      },
    },
    policy: { ttl: 10 * DAY, ttlFrom: 'use' },
    maxSize: undefined,
    lastUses: async () => new Map(),
    kept: async () => new Set(),
    mayRemove: async () => true,
    removed: async (some, reason) => void removed.push(...some.map(() => reason)),
    now: () => NOW,
    ...options,
  })
  const { keptBytes, ...usage } = await sweeper.sweep()
  assert.deepEqual(usage, { objects: objects.size, bytes: objects.size * 100 })
  const kept = await (options.kept?.() ?? new Set())
  assert.equal(keptBytes, kept.intersection(new Set(objects.keys())).size * 100)
  return { left: [...objects.keys()], touched, removed }
}

suite('the sweeper of the remote store', () => {
  test('removes what nobody has used for the time to live', async () => {
    const { left, removed } = await swept([11, 9, 30, 1])
    assert.deepEqual(left, [digests[1], digests[3]])
    assert.deepEqual(removed, ['ttl', 'ttl'])
  })

  test('keeps, and touches, what this replica has used since, and what is kept', async () => {
    const { left, touched } = await swept([11, 11, 11, 6, 4], {
      lastUses: async () =>
        new Map([digests[1]!, digests[3]!, digests[4]!].map((digest) => [digest, NOW - 1000])),
      kept: async () => new Set([digests[2]!]),
    })
    assert.deepEqual(left.toSorted(), digests.slice(1, 5).toSorted())
    // What is less than half the time to live old is not touched: that would be a request for each use.
    assert.deepEqual(touched, [digests[1], digests[2], digests[3]])
  })

  test('touches nothing where the time to live counts from the fetch', async () => {
    const { left, touched } = await swept([11, 6], {
      policy: { ttl: 10 * DAY, ttlFrom: 'fetch' },
      lastUses: async () => new Map(digests.map((digest) => [digest, NOW])),
    })
    assert.deepEqual([left, touched], [[digests[1]], []])
  })

  test('touches what is kept there too: another replica removes, and does not know of it', async () => {
    const { left, touched } = await swept([11, 11, 6, 4], {
      policy: { ttl: 10 * DAY, ttlFrom: 'fetch' },
      kept: async () => new Set([digests[0]!, digests[2]!, digests[3]!]),
    })
    assert.deepEqual(left.toSorted(), [digests[0]!, digests[2]!, digests[3]!].toSorted())
    assert.deepEqual(touched, [digests[0], digests[2]])
  })

  test('over its limit it removes the longest unused, and no more than brings it to 95 %', async () => {
    const { left, removed } = await swept([5, 1, 3, 2, 4], {
      maxSize: 330,
      kept: async () => new Set([digests[0]!]),
    })
    assert.deepEqual(left, [digests[0], digests[1], digests[3]])
    assert.deepEqual(removed, ['quota', 'quota'])
  })

  test('what is kept is never removed, and is told where it alone is above the limit', async () => {
    const { left } = await swept([5, 1, 3], { maxSize: 150, kept: async () => new Set(digests.slice(0, 2)) })
    assert.deepEqual(left, [digests[0], digests[1]])
    const usage = { objects: 2, bytes: 200, keptBytes: 200 }
    assert.equal(bucketReport(200, { ...usage, at: NOW }).trouble, null)
    assert.equal(bucketReport(undefined, { ...usage, at: NOW }).trouble, null)
    const { trouble, limitBytes } = bucketReport(150, { ...usage, at: NOW })
    assert.equal(limitBytes, 150)
    assert.match(trouble!.said, /more than storage\.s3\.maxSize/)
    assert.match(trouble!.advice, /raise storage\.s3\.maxSize/)
  })

  test('another replica removes', async () => {
    const { left, removed } = await swept([11, 30, 1], { maxSize: 100, mayRemove: async () => false })
    assert.deepEqual([left.length, removed], [3, []])
  })
})
