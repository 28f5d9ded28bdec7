import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import { blobOf } from '../../support/fixtures.ts'
import { type OpenStore, put } from './store-under-test.ts'

const NOTHING: ReadonlySet<Digest> = new Set()
const a = { upstream: 'docker.io', name: 'library/a' }

/** What the inventory offers for eviction. Every store passes it. */
export function inventorySuite(name: string, open: OpenStore): void {
  suite(`${name}: inventory`, () => {
    const opened = () => open(Date.now)

    test('the inventory counts, and hands out the longest unused first, small and other content apart', async () => {
      let now = 1_000_000
      await using store = await open(() => now)
      const [one, two, three, large] = [blobOf(100, 1), blobOf(200, 2), blobOf(300, 3), blobOf(70_000, 4)]
      for (const blob of [one, two, three, large]) {
        await (await put(store, blob))[Symbol.asyncDispose]()
        now += 1000
      }
      await store.links.add(a, two.digest)
      await store.links.add({ ...a, name: 'library/b' }, two.digest)
      await store.blobs.stat(one.digest)
      const [second, third, fourth] = [
        { digest: two.digest, size: 200, lastUsed: 1_001_000, upstreams: ['docker.io'] },
        { digest: three.digest, size: 300, lastUsed: 1_002_000, upstreams: [] },
        { digest: large.digest, size: 70_000, lastUsed: 1_003_000, upstreams: [] },
      ]
      const { inventory } = store
      assert.deepEqual(await inventory.longestUnused({ limit: 2, except: NOTHING }), [fourth, second, third])
      const except = new Set([two.digest, large.digest])
      assert.deepEqual((await inventory.longestUnused({ limit: 1, except }))[0], third)
      const { objects, bytes, disk } = await inventory.usage()
      assert.deepEqual({ objects, bytes }, { objects: 4, bytes: 70_600 })
      assert.ok(disk.freeBytes > 0)
      await store.blobs.delete(two.digest, large.digest, blobOf(5).digest)
      assert.equal((await inventory.usage()).bytes, 400)
    })

    test('what was not used, or not fetched, since an instant is found', async () => {
      let now = 1_000_000
      await using store = await open(() => now)
      const [one, two] = [blobOf(100, 1), blobOf(70_000, 2)]
      await (await put(store, one))[Symbol.asyncDispose]()
      now += 1000
      await (await put(store, two))[Symbol.asyncDispose]()
      now += 1000
      await store.blobs.stat(one.digest)
      const older = async (instant: number, by: 'use' | 'fetch', except = NOTHING) =>
        (await store.inventory.olderThan(instant, by, { limit: 9, except })).map(({ digest }) => digest)
      assert.deepEqual(await older(1_001_000, 'use'), [])
      assert.deepEqual(await older(1_001_001, 'use'), [two.digest])
      assert.deepEqual(await older(1_000_000, 'fetch'), [])
      assert.deepEqual(await older(1_000_001, 'fetch'), [one.digest])
      assert.deepEqual(await older(9_999_999, 'fetch', new Set([one.digest])), [two.digest])
    })

    test('what vanished upstream is handed out when there is nothing else, until a tag points to it again', async () => {
      await using store = await opened()
      const [gone, other] = [blobOf(100, 1), blobOf(100, 2)]
      for (const blob of [gone, other]) await (await put(store, blob))[Symbol.asyncDispose]()
      const entry = { digest: gone.digest, checkedAt: 1 }
      const first = async () =>
        (await store.inventory.longestUnused({ limit: 9, except: NOTHING })).map(({ digest }) => digest)
      await store.tags.set(a, 'latest', entry)
      await store.tags.remove(a, 'latest')
      await store.tags.remove(a, 'latest')
      assert.deepEqual(await first(), [other.digest])
      await store.blobs.delete(other.digest)
      assert.deepEqual(await first(), [gone.digest])
      await (await put(store, other))[Symbol.asyncDispose]()
      await store.tags.set(a, 'stable', entry)
      assert.equal((await first()).length, 2)
    })
  })
}
