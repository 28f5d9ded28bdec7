/** What each upstream has of the store, counted as links and content come and go, in any order. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import type { Digest } from '../../src/oci/digest.ts'
import { LongestUnused, type UnusedContent } from '../../src/storage/index/longest-unused.ts'
import { allOf } from '../../src/storage/index/in-slices.ts'
import { UPSTREAM_TOTALS } from '../../src/storage/index/upstreams/upstream-totals.ts'
import { blobOf } from '../support/fixtures.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { type OpenStore, put, storeFolder } from './setup.ts'

const blobs = [1, 2, 3].map((seed) => blobOf(1000 * seed, seed))
const repositories = ['a.example/one', 'a.example/two', 'b.example/one'].map((path) => {
  const [upstream, name] = path.split('/')
  return { upstream: upstream!, name: name! }
})

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('put', 'link', 'link', 'delete', 'unlink'),
    blob: fc.constantFrom(...blobs),
    repository: fc.constantFrom(...repositories),
  }),
  { minLength: 1, maxLength: 25 },
)

async function counted(store: OpenStore): Promise<object> {
  return Object.fromEntries(
    [...(await store.ofUpstreams.usageByUpstream())].filter(([, size]) => size.objects > 0),
  )
}

async function walked(store: OpenStore): Promise<object> {
  const { upstreams } = await store.catalogue.usage()
  return Object.fromEntries(upstreams.map(({ name, objects, bytes }) => [name, { objects, bytes }]))
}

suite('what each upstream has', () => {
  test('is what a walk over the links finds, whatever came and went', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        for (const { what, blob, repository } of all) {
          if (what === 'put') await put(store, blob)
          if (what === 'link') await store.links.add(repository, blob.digest)
          if (what === 'delete') await store.blobs.delete(blob.digest)
          if (what === 'unlink') await store.ofUpstreams.unlink(repository.upstream, blob.digest)
          assert.deepEqual(await counted(store), await walked(store))
        }
      }),
      { numRuns: 40 },
    )
  })

  test('is counted in a store that an earlier version made', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      for (const blob of blobs) await put(store, blob)
      for (const repository of repositories) await store.links.add(repository, blobs[0]!.digest)
      await store.links.add(repositories[2]!, blobs[1]!.digest)
    }
    {
      using db = new DatabaseSync(`${folder.path}/index.sqlite`)
      const triggers = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'link%'")
        .all()
      assert.equal(triggers.length, 5)
      for (const { name } of triggers) db.exec(`DROP TRIGGER ${String(name)}`)
      db.exec('DROP TABLE upstream_totals')
      db.exec(UPSTREAM_TOTALS)
    }
    await using store = await folder.open()
    assert.deepEqual(await counted(store), {
      'a.example': { objects: 1, bytes: 1000 },
      'b.example': { objects: 2, bytes: 3000 },
    })
  })

  test('its longest unused comes first; what is used meanwhile does not', async () => {
    await using folder = await storeFolder()
    let now = 1_000
    await using store = await folder.open({ now: () => now })
    const [one, two, three] = blobs as [(typeof blobs)[0], (typeof blobs)[0], (typeof blobs)[0]]
    for (const blob of [one, two, three]) {
      now += 1_000
      await put(store, blob)
    }
    const [ours, ours2, theirs] = repositories as [
      (typeof repositories)[0],
      (typeof repositories)[0],
      (typeof repositories)[0],
    ]
    for (const repository of [ours, ours2]) await store.links.add(repository, one.digest)
    for (const blob of [two, three]) await store.links.add(ours, blob.digest)
    await store.links.add(theirs, two.digest)
    const first = async (except: readonly Digest[] = []) => {
      const found = await store.ofUpstreams.longestUnusedOf(ours.upstream, {
        limit: 2,
        except: new Set(except),
      })
      return found.map(({ digest, upstreams }) => [digest, upstreams.length])
    }
    assert.deepEqual(await first(), [
      [one.digest, 1],
      [two.digest, 2],
    ])
    now += 1_000
    await store.blobs.stat(one.digest)
    assert.deepEqual(await first(), [
      [two.digest, 2],
      [three.digest, 1],
    ])
    await store.blobs.delete(two.digest)
    assert.deepEqual(await first(), [[three.digest, 1]])
    assert.deepEqual(
      await first([three.digest]),
      [[one.digest, 1]],
      'all of what was found is gone: another walk',
    )
  })
})

test('of much more content than is kept, the longest unused are, in order', () => {
  const random = seededRandom(7)
  const all: UnusedContent[] = Array.from({ length: 30_000 }, (_, i) => ({
    digest: `sha256:${i.toString(16).padStart(64, '0')}` as Digest,
    size: random.pick([100, 1_000_000]),
    lastUsed: random.below(1_000_000),
    vanished: Number(random.next() < 0.1),
  }))
  const unused = new LongestUnused()
  for (const content of all) unused.add(content)
  for (const content of all.slice(0, 1_000)) unused.add(content)
  const expected = [false, true].flatMap((isSmall) =>
    all
      .filter(({ size, vanished }) => size < 65_536 === isSmall && vanished === 0)
      .toSorted((a, b) => a.lastUsed - b.lastUsed)
      .slice(0, 500)
      .map(({ lastUsed }) => lastUsed),
  )
  const found = allOf(
    unused.first(
      500,
      () => true,
      () => false,
    ),
  )
  assert.deepEqual(
    found.map(({ lastUsed }) => lastUsed),
    expected,
  )
  assert.deepEqual(
    allOf(
      unused.first(
        500,
        () => false,
        () => false,
      ),
    ),
    [],
    'all were used: not enough is known',
  )
})
