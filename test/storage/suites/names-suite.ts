import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { blobOf } from '../../support/fixtures.ts'
import { type OpenStore, put } from './store-under-test.ts'

const a = { upstream: 'docker.io', name: 'library/a' }
const b = { upstream: 'ghcr.io', name: 'library/a' }

/** Links and tags, and their history. Every store passes it. */
export function namesSuite(name: string, open: OpenStore): void {
  suite(`${name}: links and tags`, () => {
    const opened = () => open(Date.now)

    test('links are of one repository of one upstream, and go with the content', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(100)
      await (await put(store, { bytes, digest }))[Symbol.asyncDispose]()
      await store.links.add(a, digest)
      await store.links.add(a, digest)
      assert.equal(await store.links.has(a, digest), true)
      assert.equal(await store.links.has(b, digest), false)
      assert.equal(await store.links.knows(a.upstream, digest), true)
      assert.equal(await store.links.knows(b.upstream, digest), false)
      assert.equal(await store.links.knows('docker', digest), false)
      assert.equal(await store.links.isLinked(digest), true)
      await store.links.add(b, digest)
      assert.equal(await store.links.has(b, digest), true)
      await store.blobs.delete(digest)
      assert.equal(await store.links.has(a, digest), false)
      assert.equal(await store.links.has(b, digest), false)
      assert.equal(await store.links.knows(b.upstream, digest), false)
    })

    test('SEC-78: a media type is of one repository of one upstream, and the first that is said stays', async () => {
      await using store = await opened()
      const blob = blobOf(100)
      await (await put(store, blob, 'application/vnd.one+json'))[Symbol.asyncDispose]()
      await store.links.add(a, blob.digest)
      assert.equal(await store.links.mediaType(a, blob.digest), undefined)
      await store.links.add(a, blob.digest, 'application/vnd.two+json')
      await store.links.add(a, blob.digest, 'application/vnd.three+json')
      await store.links.add(b, blob.digest, 'application/vnd.four+json')
      assert.equal(await store.links.mediaType(a, blob.digest), 'application/vnd.two+json')
      assert.equal(await store.links.mediaType(b, blob.digest), 'application/vnd.four+json')
      await store.blobs.delete(blob.digest)
      assert.equal(await store.links.mediaType(a, blob.digest), undefined)
    })

    test('SEC-22 tags are of one repository of one upstream', async () => {
      await using store = await opened()
      const { digest } = blobOf(100)
      await store.tags.set(a, 'latest', { digest, checkedAt: 5 })
      assert.deepEqual(await store.tags.get(a, 'latest'), { digest, checkedAt: 5 })
      assert.equal(await store.tags.get(b, 'latest'), undefined)
      assert.equal(await store.tags.get(a, 'other'), undefined)
      await store.tags.set(a, 'latest', { digest: blobOf(101).digest, checkedAt: 6 })
      assert.equal((await store.tags.get(a, 'latest'))?.checkedAt, 6)
      await store.tags.remove(a, 'latest')
      assert.equal(await store.tags.get(a, 'latest'), undefined)
    })

    test('tags that nobody asked for are forgotten', async () => {
      let now = 1_000_000
      await using store = await open(() => now)
      const entry = { digest: blobOf(100).digest, checkedAt: now }
      await store.tags.set(a, 'old', entry)
      await store.tags.set(a, 'used', entry)
      now += 10_000
      await store.tags.get(a, 'used')
      await store.tags.set(a, 'new', entry)
      assert.equal(await store.tags.removeUnusedSince(now - 5_000), 1)
      assert.equal(await store.tags.get(a, 'old'), undefined)
      assert.ok(await store.tags.get(a, 'used'))
      assert.ok(await store.tags.get(a, 'new'))
    })

    test('a tag has a history of what it pointed to, the newest first', async () => {
      await using store = await opened()
      const [one, two] = [blobOf(1).digest, blobOf(2).digest]
      const seen = [one, one, two, one]
      for (const [at, digest] of seen.entries()) await store.tags.set(a, 'latest', { digest, checkedAt: at })
      await store.tags.remove(a, 'latest')
      await store.tags.set(a, 'latest', { digest: one, checkedAt: 9 })
      assert.deepEqual(await store.tags.history(a, 'latest'), [
        { at: 3, digest: one },
        { at: 2, digest: two },
        { at: 0, digest: one },
      ])
      assert.deepEqual(await store.tags.history(b, 'latest'), [])
    })

    test('of the history of a tag the first sight and the last 99 changes stay', async () => {
      await using store = await opened()
      for (let at = 0; at < 150; at++) {
        await store.tags.set(a, 'nightly', { digest: blobOf(4, at).digest, checkedAt: at })
      }
      const history = await store.tags.history(a, 'nightly')
      assert.deepEqual(
        history.map(({ at }) => at),
        [...Array.from({ length: 99 }, (_, i) => 149 - i), 0],
      )
    })

    test('the past of a tag tells when upstream had deleted it, which is no change', async () => {
      let now = 0
      await using store = await open(() => now)
      const [one, two] = [blobOf(1).digest, blobOf(2).digest]
      const set = (checkedAt: number, digest = one) => store.tags.set(a, 'latest', { digest, checkedAt })
      await store.tags.remove(a, 'latest')
      assert.deepEqual(await store.tags.past(a, 'latest'), [])
      await set(1)
      now = 5
      await store.tags.remove(a, 'latest')
      now = 6
      await store.tags.remove(a, 'latest')
      await set(7)
      await set(8)
      await set(9, two)
      await store.tags.set(a, 'latest', { digest: two, checkedAt: 11, goneAt: 11 })
      await store.tags.set(a, 'latest', { digest: two, checkedAt: 12, goneAt: 11 })
      assert.deepEqual(await store.tags.get(a, 'latest'), { digest: two, checkedAt: 12, goneAt: 11 })
      assert.deepEqual(await store.tags.past(a, 'latest'), [
        { from: 9, until: 11, digest: two, end: 'deleted' },
        { from: 7, until: 9, digest: one },
        { from: 1, until: 5, digest: one, end: 'deleted' },
      ])
      assert.deepEqual(await store.tags.history(a, 'latest'), [
        { at: 9, digest: two },
        { at: 1, digest: one },
      ])
      await set(13, two)
      assert.deepEqual(await store.tags.get(a, 'latest'), { digest: two, checkedAt: 13 })
      const [last] = await store.tags.past(a, 'latest')
      assert.deepEqual({ ...last }, { from: 13, until: undefined, digest: two })
    })

    test('of the past of a tag nothing is known between its first sight and the changes that are kept', async () => {
      await using store = await opened()
      const digest = (at: number) => blobOf(4, at).digest
      for (let at = 0; at < 100; at++)
        await store.tags.set(a, 'nightly', { digest: digest(at), checkedAt: at })
      const whole = await store.tags.past(a, 'nightly')
      assert.equal(whole.length, 100)
      assert.ok(whole.every(({ end }) => end === undefined))
      for (let at = 100; at < 150; at++)
        await store.tags.set(a, 'nightly', { digest: digest(at), checkedAt: at })
      const past = await store.tags.past(a, 'nightly')
      assert.deepEqual(past.at(-1), { from: 0, until: 1, digest: digest(0), end: 'forgotten' })
      assert.deepEqual(past.at(-2), { from: 51, until: 52, digest: digest(51) })
    })

    test('the history of tags that are gone is forgotten in time', async () => {
      let now = 1_000
      await using store = await open(() => now)
      const entry = (size: number) => ({ digest: blobOf(size).digest, checkedAt: now })
      for (const tag of ['deleted', 'unused', 'used']) await store.tags.set(a, tag, entry(1))
      await store.tags.remove(a, 'deleted')
      now = 2_000
      await store.tags.get(a, 'used')
      await store.tags.removeUnusedSince(500)
      assert.equal((await store.tags.history(a, 'deleted')).length, 1)
      await store.tags.removeUnusedSince(1_500)
      assert.deepEqual(await store.tags.history(a, 'deleted'), [])
      assert.deepEqual(await store.tags.history(a, 'unused'), [])
      assert.equal((await store.tags.history(a, 'used')).length, 1)
    })
  })
}
