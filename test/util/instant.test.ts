import assert from 'node:assert/strict'
import { test } from 'node:test'
import { futureMistake, instantText, parseInstant } from '../../src/util/instant.ts'

test('an instant is a day or a second in UTC, and nothing else', () => {
  assert.equal(parseInstant('20261101'), Date.UTC(2026, 10, 1))
  assert.equal(parseInstant('20261101t083059z'), Date.UTC(2026, 10, 1, 8, 30, 59))
  assert.equal(parseInstant('20261101T083059Z'), Date.UTC(2026, 10, 1, 8, 30, 59))
  assert.equal(parseInstant('20240229'), Date.UTC(2024, 1, 29))
  for (const text of [
    '',
    'yesterday',
    '2026',
    '202611',
    '2026-11-01',
    '20261301',
    '20260230',
    '20261100',
    '20261101t240000z',
    '20261101t236000z',
    '20261101t235960z',
    '20261101t0830z',
    '20261101t083000',
    '20261101z',
    '202611010',
    '00001101',
  ])
    assert.equal(parseInstant(text), undefined, text)
})

test('an instant is written as it is read', () => {
  const text = '20261101t083059z'
  assert.equal(instantText(parseInstant(text)!), text)
})

test('an instant that has yet to come is a mistake that tells the time', () => {
  const now = parseInstant('20261101t083059z')!
  assert.equal(futureMistake(now, now), undefined)
  assert.equal(futureMistake(now + 1, now), 'lies in the future: the time here is 20261101t083059z')
})
