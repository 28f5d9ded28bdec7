import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { sqliteIndex } from '../../src/storage/index/sqlite-index.ts'
import { storageOperation } from '../../src/storage/storage-operation.ts'
import { blobOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'

const NOTHING: ReadonlySet<Digest> = new Set()
const DAY = 86_400_000
const repository = { upstream: 'docker.io', name: 'library/a' }
const telemetry = { failed: assert.fail, evicted: assert.fail }

async function indexFolder() {
  const folder = await tempFolder()
  return {
    open(now: () => number) {
      const file = join(folder.path, 'index.sqlite')
      const index = sqliteIndex({
        file,
        run: storageOperation(telemetry),
        telemetry,
        pinned: [],
        now,
        emptied: () => {},
      })
      const lastUsed = async () => {
        const contents = await index.content.longestUnused({ limit: 9999, except: NOTHING })
        return new Map(contents.map(({ digest, lastUsed }) => [digest, lastUsed]))
      }
      return { ...index, lastUsed, [Symbol.asyncDispose]: () => index.close() }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

const digests = (count: number, seed = 1): readonly Digest[] =>
  Array.from({ length: count }, (_, i) => blobOf(16, seed * 100_000 + i).digest)

suite('references', () => {
  test('a use of a manifest is a use of what it refers to, and not of what that refers to', async () => {
    await using folder = await indexFolder()
    let now = 1_000
    await using index = folder.open(() => now)
    const [manifests, platform, layer, other] = digests(4) as [Digest, Digest, Digest, Digest]
    for (const digest of [manifests, platform, layer, other]) {
      await index.content.add(digest, { size: 10, mediaType: 'x' })
    }
    await index.references.record(manifests, [platform])
    await index.references.record(platform, [layer])
    now = 2_000
    index.content.use(platform)
    now = 3_000
    index.content.use(manifests)
    assert.deepEqual(
      await index.lastUsed(),
      new Map([
        [other, 1_000],
        [layer, 2_000],
        ...[platform, manifests].toSorted().map((digest) => [digest, 3_000] as const),
      ]),
    )
  })

  test('a use noted late takes nothing from a later one', async () => {
    await using folder = await indexFolder()
    let now = 1_000
    await using index = folder.open(() => now)
    const [first, second, layer] = digests(3) as [Digest, Digest, Digest]
    for (const digest of [first, second, layer]) await index.content.add(digest, { size: 10, mediaType: 'x' })
    await index.references.record(first, [layer])
    await index.references.record(second, [layer])
    index.content.use(first)
    now = 9_000
    index.content.use(second)
    now = 5_000
    index.content.use(first)
    assert.equal((await index.lastUsed()).get(layer), 9_000)
  })

  test('a tag that is gone upstream is that of a whole image, and so is one that is back', async () => {
    await using folder = await indexFolder()
    await using index = folder.open(() => 1_000)
    const [manifests, platform, layer, other] = digests(4) as [Digest, Digest, Digest, Digest]
    for (const digest of [manifests, platform, layer, other]) {
      await index.content.add(digest, { size: 10, mediaType: 'x' })
    }
    await index.references.record(manifests, [platform])
    await index.references.record(platform, [layer])
    await index.tags.set(repository, 'latest', { digest: manifests, checkedAt: 1 })
    await index.tags.remove(repository, 'latest')
    assert.deepEqual([...(await index.lastUsed()).keys()], [other])
    await index.tags.set(repository, 'latest', { digest: manifests, checkedAt: 2 })
    assert.equal((await index.lastUsed()).size, 4)
  })
})

suite('many at once', () => {
  test('removed in slices, with links and references; nothing of what stays', async () => {
    await using folder = await indexFolder()
    await using index = folder.open(() => 1_000)
    const [going, staying] = [digests(500, 1), digests(50, 2)]
    for (const digest of [...going, ...staying]) {
      await index.content.add(digest, { size: 10, mediaType: 'x' })
      await index.links.add(repository, digest)
    }
    await index.content.remove(...going)
    assert.deepEqual(new Set((await index.lastUsed()).keys()), new Set(staying))
    assert.deepEqual(await index.content.totals(), { objects: 50, bytes: 500 })
    assert.equal(await index.links.has(repository, going[0]!), false)
    assert.equal(await index.links.has(repository, staying[0]!), true)
  })

  test('no more are handed out than were asked for, of whatever size', async () => {
    await using folder = await indexFolder()
    await using index = folder.open(() => 1_000)
    for (const [i, digest] of digests(40).entries()) {
      await index.content.add(digest, { size: i % 2 === 0 ? 10 : 100_000, mediaType: 'x' })
    }
    const options = { limit: 15, except: NOTHING }
    for (const by of ['use', 'fetch'] as const) {
      assert.equal((await index.content.olderThan(2_000, by, options)).length, 15)
    }
    assert.equal((await index.content.longestUnused(options)).length, 30)
  })

  test('uses of thousands are all written, also when it is closed while they are', async () => {
    await using folder = await indexFolder()
    let now = 1_000
    const all = digests(2_000)
    {
      await using index = folder.open(() => now)
      for (const digest of all) await index.content.add(digest, { size: 10, mediaType: 'x' })
      now = 2_000
      for (const digest of all) index.content.use(digest)
      void index.content.longestUnused({ limit: 1, except: NOTHING }).catch(() => {})
    }
    await using index = folder.open(() => now)
    const seen = await index.lastUsed()
    assert.equal(seen.size, all.length)
    assert.ok([...seen.values()].every((instant) => instant === 2_000))
  })
})

test('F82 what was written under a clock that was a day ahead is brought back to now, at the next start', async () => {
  await using folder = await indexFolder()
  const now = 1_000 * DAY
  const [small, large] = digests(2) as [Digest, Digest]
  {
    await using index = folder.open(() => now + DAY)
    await index.content.add(small, { size: 10, mediaType: 'x' })
    await index.content.add(large, { size: 1_000_000, mediaType: 'x' })
    for (const digest of digests(300, 2)) await index.content.add(digest, { size: 1, mediaType: 'x' })
    await index.tags.set(repository, 'latest', { digest: small, checkedAt: now + DAY })
  }
  await using index = folder.open(() => now)
  await index.clampInstants(() => false)
  assert.ok([...(await index.lastUsed()).values()].every((instant) => instant === now))
  const options = { limit: 999, except: NOTHING }
  assert.equal((await index.content.olderThan(now + 1, 'fetch', options)).length, 302)
  assert.equal((await index.content.olderThan(now, 'fetch', options)).length, 0)
  assert.equal(await index.tags.removeUnusedSince(now), 0)
  assert.equal(await index.tags.removeUnusedSince(now + 1), 1)
})
