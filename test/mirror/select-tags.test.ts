import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selectTags, type TagSelection } from '../../src/mirror/select-tags.ts'
import { createWantedTags } from '../../src/mirror/wanted-tags.ts'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import { TagList } from '../../src/oci/tag-list.ts'
import type { Repository } from '../../src/ports/repository.ts'
import { longestTurnOf } from '../support/longest-turn.ts'

const TAGS = [
  ...['latest', 'lts', 'v18.2.0', '18', '20', '20.10.0', '20.11', '20.11.1', '20.11.1-alpine', '20.9.5'],
  ...['21.0.0-rc.1', '22.1', '22.1.0', '22.1.0-alpine', '22.1.0-alpine3.20', '20240923', 'jammy-20240101'],
]

const cases: readonly (readonly [TagSelection, readonly string[]])[] = [
  [{ match: ['l*'] }, ['latest', 'lts']],
  [{ match: ['20*'], except: ['*-alpine', '2024*'] }, ['20', '20.10.0', '20.11', '20.11.1', '20.9.5']],
  [{ semver: '>=20' }, ['22.1', '22.1.0', '20', '20.11', '20.11.1', '20.10.0', '20.9.5']],
  [{ semver: '>=20', latest: 3 }, ['22.1', '22.1.0', '20']],
  [{ semver: '~20.11' }, ['20.11', '20.11.1']],
  [{ semver: '18' }, ['18', 'v18.2.0']],
  [{ match: ['*-alpine'], semver: '>=20' }, ['22.1.0-alpine', '20.11.1-alpine']],
  [{ match: ['*-alpine'], latest: 1 }, ['22.1.0-alpine']],
  [{ latest: 2 }, ['22.1', '22.1.0']],
  [{ match: ['jammy-*', 'l*'], latest: 2 }, ['lts', 'latest']],
  [{ match: ['none'] }, []],
  [{}, TAGS],
]

for (const [selection, expected] of cases) {
  test(`tags: ${JSON.stringify(selection)}`, async () => {
    assert.deepEqual(await selectTags(TAGS, selection), expected)
  })
}

test('SEC-73: of 200,000 tags the newest are found while everybody else goes on', async () => {
  const tags = Array.from({ length: 200_000 }, (_, i) => `${i % 100}.${(i >> 3) % 1_000}.${i}`)
  for (const selection of [{ semver: '>=20', latest: 2 }, { match: ['1*'] }, { match: ['*9'], latest: 2 }]) {
    let selected: readonly string[] = []
    const longest = await longestTurnOf(async () => (selected = await selectTags(tags, selection)))
    assert.ok(longest < 50, `${longest} ms of CPU in one turn`)
    assert.ok(selected.length >= 2)
  }
})

test('a repository of 200,000 tags is listed', async () => {
  const tags = Array.from({ length: 200_000 }, (_, i) => `v${1_000_000 + i}`)
  const name = { upstream: 'docker.io', name: 'library/app' }
  const list = async () => ({ tags: TagList.of(tags).text })
  const repository = { name, tags: { list } } as unknown as Repository
  const wantedTags = createWantedTags({
    registry: { find: () => repository },
    catalogue: { images: async () => [] },
    tags: { peek: async () => undefined },
    isLimited: () => false,
    explain: () => '',
  })
  const patterns = [parseImagePattern('app')!]
  const { images } = await wantedTags(patterns, { match: ['*999'] }, new AbortController().signal)
  assert.equal(images.length, 200)
})

test('hostile tags are compared without harm', async () => {
  const tags = Array.from({ length: 10_000 }, (_, i) => `${i}.${'9'.repeat(i % 12)}.1-${'a.'.repeat(i % 60)}`)
  assert.ok((await selectTags(tags, { match: ['*'], semver: '>=1 <5', latest: 10 })).length <= 10)
})
