import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TagList } from '../../src/oci/tag-list.ts'

const page = (list: TagList, n?: number, last?: string): object => {
  const { text, next } = list.page(n, last)
  return { tags: JSON.parse(`[${text}]`), next }
}

suite('a list of tags', () => {
  test('is sorted, has each tag once, and nothing that is no tag', () => {
    const list = TagList.of(['b', 'a', 'b', '../x', 'a\r\nb', 7, '', undefined, 'B', '_', '1.0'])
    assert.deepEqual(list.tags, ['1.0', 'B', '_', 'a', 'b'])
    assert.deepEqual(JSON.parse(`[${list.text}]`), list.tags)
    assert.deepEqual([list.first, list.last], ['1.0', 'b'])
  })

  test('gives every page that can be asked for', () => {
    const tags = Array.from({ length: 40 }, (_, i) => `t${i * 3}`.padEnd(1 + (i % 9), 'x')).toSorted()
    const list = TagList.of(tags)
    for (const last of [undefined, '', '0', '~', ...tags, ...tags.map((tag) => `${tag}.`)]) {
      const after = tags.filter((tag) => tag > (last ?? ''))
      assert.deepEqual(page(list, undefined, last), { tags: after, next: undefined })
      for (const n of [0, 1, 2, 39, 40, 41, 10_000]) {
        const expected = after.slice(0, n)
        const next = n > 0 && n < after.length ? expected.at(-1) : undefined
        assert.deepEqual(page(list, n, last), { tags: expected, next }, `${n} after ${last}`)
      }
    }
  })

  test('of nothing has nothing', () => {
    const list = TagList.of([])
    assert.deepEqual([list.isEmpty, list.first, list.last, list.tags], [true, undefined, undefined, []])
    assert.deepEqual(page(list, 3, 'a'), { tags: [], next: undefined })
  })

  test('is merged of others, in order or not', () => {
    const [a, b, c] = [TagList.of(['a', 'b']), TagList.of([]), TagList.of(['c', 'd'])]
    assert.deepEqual(TagList.concat([a, b, c])?.tags, ['a', 'b', 'c', 'd'])
    assert.equal(TagList.concat([c, a]), undefined)
    assert.equal(TagList.concat([a, TagList.of(['b'])]), undefined)
    assert.deepEqual(TagList.merge([c, b, a, TagList.of(['b', 'e'])]).tags, ['a', 'b', 'c', 'd', 'e'])
    assert.deepEqual(TagList.concat([])?.tags, [])
  })
})
