import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentLooks } from '../../src/download/fetch/recent-looks.ts'

test('a socket is dry when most of the last eight looks, and three at least, found it empty', () => {
  const table: [found: string, isDry: boolean][] = [
    ['', false],
    ['11', false],
    ['111', true],
    ['1110', true],
    // It met two pieces of a sender that is slow.
    ['11111100', true],
    ['0111', true],
    ['010101', false],
    ['11110000', false],
    ['111111110000', false],
    ['0000000011111', true],
  ]
  for (const [found, isDry] of table) {
    const looks = new RecentLooks()
    for (const look of found) looks.add(look === '1')
    assert.equal(looks.isDry, isDry, found)
  }
})
