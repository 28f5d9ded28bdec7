import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selectTags, type TagSelection } from '../../src/mirror/select-tags.ts'

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
  test(`tags: ${JSON.stringify(selection)}`, () => {
    assert.deepEqual(selectTags(TAGS, selection), expected)
  })
}

test('hostile tags are compared without harm', () => {
  const tags = Array.from({ length: 10_000 }, (_, i) => `${i}.${'9'.repeat(i % 12)}.1-${'a.'.repeat(i % 60)}`)
  assert.ok(selectTags(tags, { match: ['*'], semver: '>=1 <5', latest: 10 }).length <= 10)
})
