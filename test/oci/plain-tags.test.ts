import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { plainTags } from '../../src/oci/plain-tags.ts'
import { TagList } from '../../src/oci/tag-list.ts'
import { seededRandom } from '../support/seeded-random.ts'

const text = (list: TagList | undefined): string | undefined => list?.text.toString()

suite('SEC-73: tags are sorted where they stand, as if each were a string', () => {
  const random = seededRandom(73)
  const numbers = Array.from({ length: 2_000 }, (_, i) => `v1.${i >> 5}-${i % 32}`)
  const orders: Readonly<Record<string, readonly string[]>> = {
    none: [],
    'in order': numbers.toSorted(),
    backwards: numbers.toSorted().toReversed(),
    'by number': numbers,
    'by number, backwards': numbers.toReversed(),
    'by chance, some of them twice': numbers.map(() => `_${random.below(1_500)}`),
    'each twice': numbers.flatMap((tag) => [tag, tag]),
    'one the beginning of another': ['aaa', 'a', 'aa', 'a.', 'a-', 'A', 'a_', 'a0'],
  }
  for (const [order, tags] of Object.entries(orders)) {
    test(order, () => {
      const elements = Buffer.from(JSON.stringify(tags).slice(1, -1))
      assert.equal(text(plainTags(elements)), text(TagList.of(tags)))
    })
  }

  test('anything else than tags is left to JSON', () => {
    const others = [
      '"a", "b"',
      '"a",',
      ',"a"',
      '"a""b"',
      '"a" ',
      '"a',
      '""',
      '"-a"',
      '"a b"',
      '7',
      '"\\u0061"',
      '"ä"',
    ]
    for (const elements of [...others, `"${'a'.repeat(129)}"`])
      assert.equal(plainTags(Buffer.from(elements)), undefined, elements)
    assert.equal(text(plainTags(Buffer.from(`"${'a'.repeat(128)}"`))), `"${'a'.repeat(128)}"`)
  })
})

test('SEC-73: lists that overlap a little, or a lot, are merged to one that has each tag once', () => {
  const random = seededRandom(730)
  for (let round = 0; round < 200; round++) {
    const spread = round % 2 === 0 ? 40 : 400
    const lists = Array.from({ length: 1 + random.below(20) }, () => {
      const base = 1_000 + random.below(300)
      return Array.from({ length: random.below(60) }, () => `v${base + random.below(spread)}`)
    })
    const merged = TagList.merge(lists.map((tags) => TagList.of(tags)))
    assert.equal(text(merged), text(TagList.of(lists.flat())))
  }
})
