import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TagIndex, TagUses } from '../../src/ports/metadata.ts'
import { hotTags } from '../../src/cache/hot-tags.ts'
import { memoryStore } from '../support/memory-store.ts'
import { blobOf } from '../support/fixtures.ts'

const app = { upstream: 'docker.io', name: 'library/app' }
const other = { upstream: 'ghcr.io', name: 'library/app' }
const [old, young] = [1, 2].map((seed) => ({ digest: blobOf(10, seed).digest, checkedAt: seed }))

/** An index that tells what it was asked, and may be made to answer late. */
function watched() {
  const { tags } = memoryStore()
  const asked: string[] = []
  const gate = { open: Promise.resolve() }
  const cold: TagIndex & TagUses = {
    ...tags,
    async get(repository, tag) {
      asked.push(tag)
      const entry = await tags.get(repository, tag)
      await gate.open
      return entry
    },
    use(_, tag) {
      asked.push(`use ${tag}`)
    },
  }
  return { hot: hotTags(cold), asked, gate, cold }
}

describe('tags in memory', () => {
  test('are asked for once, and every use is told', async () => {
    const { hot, asked } = watched()
    await hot.set(app, 'latest', old!)
    assert.equal(hot.recall(app, 'latest'), undefined)
    for (let i = 0; i < 2; i++) assert.deepEqual(await hot.get(app, 'latest'), old)
    assert.deepEqual(hot.recall(app, 'latest'), old)
    assert.deepEqual(asked, ['latest', 'use latest', 'use latest'])
  })

  test('SEC-22 are those of one repository of one upstream', async () => {
    const { hot } = watched()
    await hot.set(app, 'latest', old!)
    await hot.get(app, 'latest')
    assert.equal(hot.recall(other, 'latest'), undefined)
    assert.equal(await hot.get(other, 'latest'), undefined)
  })

  for (const [what, change] of Object.entries<(hot: ReturnType<typeof hotTags>) => Promise<unknown>>({
    moved: (hot) => hot.set(app, 'latest', young!),
    removed: (hot) => hot.remove(app, 'latest'),
    'not used for too long': (hot) => hot.removeUnusedSince(Number.MAX_SAFE_INTEGER),
    purged: async (hot) => hot.clear(),
  })) {
    test(`what was ${what} is asked for again`, async () => {
      const { hot, cold } = watched()
      await hot.set(app, 'latest', old!)
      await hot.get(app, 'latest')
      await change(hot)
      assert.equal(hot.recall(app, 'latest'), undefined)
      assert.deepEqual(await hot.get(app, 'latest'), await cold.get(app, 'latest'))
    })

    test(`what was ${what} while it was read is asked for again`, async () => {
      const { hot, gate } = watched()
      await hot.set(app, 'latest', old!)
      const { promise, resolve } = Promise.withResolvers<void>()
      gate.open = promise
      const reading = hot.get(app, 'latest')
      await change(hot)
      resolve()
      await reading
      assert.equal(hot.recall(app, 'latest'), undefined)
    })
  }
})
