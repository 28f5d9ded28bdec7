import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { memoryStore } from '../support/memory-store.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { rig } from '../support/rig.ts'
import { isStored, pull } from '../cache/pulled.ts'

const MINUTE = 60_000

suite('ttl', () => {
  for (const [ttlFrom, isKept] of [
    ['use', true],
    ['fetch', false],
  ] as const) {
    test(`from ${ttlFrom}: what was fetched long ago and used since is ${isKept ? 'kept' : 'evicted'}`, async () => {
      await using upstream = await fakeUpstream()
      const clock = { now: Date.now() }
      const store = memoryStore(() => clock.now)
      const reasons: string[] = []
      const evicted = (reason: string) => void reasons.push(reason)
      await using proxy = await rig({ upstream, store, quota: { ttl: 10 * MINUTE, ttlFrom }, evicted })
      const blob = blobOf(1000)
      upstream.addBlob(blob.bytes)
      await pull(proxy, blob)
      for (let i = 0; i < 2; i++) {
        clock.now = proxy.now += 6 * MINUTE
        await pull(proxy, blob)
      }
      await proxy.evictor.sweep()
      assert.equal(await isStored(proxy, blob), isKept)
      assert.deepEqual(reasons, isKept ? [] : ['ttl'])
      clock.now = proxy.now += 11 * MINUTE
      await proxy.evictor.sweep()
      assert.equal(await isStored(proxy, blob), false)
    })
  }

  test('a sweep that takes long holds up no download', async () => {
    const clock = { now: 1_000_000_000 }
    const store = memoryStore(() => clock.now)
    const goOn = Promise.withResolvers<void>()
    const held = {
      ...store.blobs,
      async delete(...digests: readonly Digest[]) {
        await goOn.promise
        await store.blobs.delete(...digests)
      },
    }
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, store: { ...store, blobs: held }, quota: { ttl: MINUTE } })
    const [old, other] = [blobOf(100, 1), blobOf(100, 2)]
    for (const { bytes } of [old, other]) upstream.addBlob(bytes)
    await pull(proxy, old)
    clock.now = proxy.now = clock.now + 2 * MINUTE
    const sweep = proxy.evictor.sweep()
    await pull(proxy, other)
    assert.equal(await isStored(proxy, other), true)
    goOn.resolve()
    await sweep
    assert.equal(await isStored(proxy, old), false)
  })

  test('a sweep of many objects takes them all, and no other', async () => {
    const clock = { now: 1_000_000_000 }
    const store = memoryStore(() => clock.now)
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, store, quota: { ttl: MINUTE } })
    const put = async (count: number, from: number) => {
      for (let i = 0; i < count; i++) {
        const { bytes, digest } = blobOf(16, from + i)
        await using ingest = await store.blobs.ingest({ digest })
        await ingest.write(bytes, 0)
        await ingest.verify(16)
        await ingest.commit()
      }
    }
    await put(100, 1)
    clock.now = proxy.now = clock.now + 2 * MINUTE
    await put(3, 1000)
    await proxy.evictor.sweep()
    assert.equal((await store.inventory.usage()).objects, 3)
  })
})

test('FR-49: what is stored of an upstream that is out does not expire', async () => {
  await using upstream = await fakeUpstream()
  const clock = { now: Date.now() }
  const store = memoryStore(() => clock.now)
  const out = new Set(['fake'])
  await using proxy = await rig({ upstream, store, isOut: (name) => out.has(name) })
  const blob = blobOf(1000)
  upstream.addBlob(blob.bytes)
  await pull(proxy, blob)
  clock.now = proxy.now += 30 * 86_400_000
  await proxy.evictor.sweep()
  assert.equal(await isStored(proxy, blob), true)
  clock.now = proxy.now += 30 * 86_400_000
  out.clear()
  await proxy.evictor.sweep()
  assert.equal(await isStored(proxy, blob), false)
})

test('FR-32: unfinished downloads are swept with the content, and go before it', async () => {
  await using upstream = await fakeUpstream()
  let [sweeps, kept] = [0, 600_000]
  const store = memoryStore()
  const inventory = {
    ...store.inventory,
    usage: async () => ({ ...(await store.inventory.usage()), partialBytes: kept }),
  }
  const partials = {
    async sweep() {
      sweeps += 1
    },
    async evict() {
      const freed = kept
      kept = 0
      return freed
    },
  }
  await using proxy = await rig({
    upstream,
    store: { ...store, inventory },
    quota: { maxSize: 1_000_000 },
    partials,
  })
  const [first, second] = [blobOf(400_000, 1), blobOf(500_000, 2)]
  for (const { bytes } of [first, second]) upstream.addBlob(bytes)
  await pull(proxy, first)
  await pull(proxy, second)
  assert.equal(kept, 0)
  assert.equal(await isStored(proxy, first), true)
  assert.equal(await isStored(proxy, second), true)
  await proxy.evictor.sweep()
  assert.equal(sweeps, 1)
})
