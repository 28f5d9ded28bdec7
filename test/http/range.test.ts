import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseContentRange } from '../../src/upstream/body/content-range.ts'
import { parseRange } from '../../src/http/headers/range.ts'

const SIZE = 1000

test('F48 what a Range header asks of a blob of 1000 bytes', () => {
  const table: [header: string | undefined, expected: ReturnType<typeof parseRange>][] = [
    [undefined, 'whole'],
    ['bytes=0-', { start: 0, end: 999 }],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=10-19', { start: 10, end: 19 }],
    ['bytes=990-5000', { start: 990, end: 999 }],
    ['bytes=999-', { start: 999, end: 999 }],
    ['bytes=-500', { start: 500, end: 999 }],
    ['bytes=-5000', { start: 0, end: 999 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=1000-2000', 'unsatisfiable'],
    ['bytes=500-0', 'unsatisfiable'],
    ['bytes=9223372036854775808-', 'unsatisfiable'],
    ['bytes=0-9223372036854775808', { start: 0, end: 999 }],
    ['Bytes=0-9', { start: 0, end: 9 }],
    ['bytes=0-1,5-6', 'whole'],
    ['bytes=', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=a-b', 'whole'],
    ['bytes 0-1', 'whole'],
    ['items=0-1', 'whole'],
  ]
  for (const [header, expected] of table) assert.deepEqual(parseRange(header, SIZE), expected, header)
})

test('any range of an empty blob is the whole of it: containerd 2.1 sends bytes=0- for every blob', () => {
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-1', 'bytes=5-'])
    assert.equal(parseRange(header, 0), 'whole')
})

test('every satisfiable range lies inside the blob', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1 }), (a, b, size) => {
      const range = parseRange(`bytes=${a}-${b}`, size)
      if (range === 'whole') assert.fail('a well-formed range was ignored')
      if (range === 'unsatisfiable') assert.ok(a > b || a >= size)
      else assert.deepEqual(range, { start: a, end: Math.min(b, size - 1) })
    }),
  )
})

test('Content-Range is read back as it was written, and nothing else is', () => {
  assert.deepEqual(parseContentRange('bytes 5-9/100'), { start: 5, end: 9, total: 100 })
  assert.deepEqual(parseContentRange('bytes 5-9/*'), { start: 5, end: 9 })
  for (const bad of [
    undefined,
    '',
    'bytes */100',
    'bytes 5-/100',
    'items 5-9/100',
    'bytes 5-9/100, bytes 1-2/3',
  ]) {
    assert.equal(parseContentRange(bad), undefined)
  }
})
