import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { glob } from '../../src/util/glob.ts'

test('a star ends at a slash, two do not, and nothing else is special', () => {
  for (const [pattern, text, matches] of [
    ['a/*', 'a/b', true],
    ['a/*', 'a/', true],
    ['a/*', 'a/b/c', false],
    ['a/**', 'a/b/c', true],
    ['**/c', 'a/b/c', true],
    ['*/c', 'a/b/c', false],
    ['a***c', 'a/b/c', true],
    ['aa*aa', 'aaa', false],
    ['', '', true],
    ['', 'a', false],
    ['**', '', true],
    ['a.c', 'abc', false],
    ['a+', 'aa', false],
    ['*', 'a\nb', true],
    ['a', 'a\n', false],
  ] as const) {
    assert.equal(glob(pattern)(text), matches, `${pattern} ${JSON.stringify(text)}`)
  }
})

test('a pattern matches as the regular expression would', () => {
  const patterns = fc.stringMatching(/^[ab/*]{0,10}$/)
  const texts = fc.stringMatching(/^[ab/]{0,12}$/)
  const regExp = (pattern: string) =>
    new RegExp(`^${pattern.replaceAll(/\*+/g, (stars) => (stars === '*' ? '[^/]*' : '.*'))}$`)
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      assert.equal(glob(pattern)(text), regExp(pattern).test(text))
    }),
    { numRuns: 5_000 },
  )
})

// A regular expression needs minutes for the first, and would not end before the universe for the second.
for (const stars of [5, 200]) {
  test(
    `${stars} pairs of stars cost a name of 100,000 characters no time to speak of`,
    { timeout: 5_000 },
    () => {
      for (const star of ['*', '**']) {
        const matches = glob(`${`${star}a`.repeat(stars)}${star}z`)
        assert.equal(matches('a'.repeat(100_000)), false)
        assert.equal(matches(`${'a'.repeat(100_000)}bz`), true)
        assert.equal(matches(`${'a'.repeat(100_000)}zb`), false)
      }
    },
  )
}
