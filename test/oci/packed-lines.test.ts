import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackedLines } from '../../src/oci/packed-lines.ts'

test('packed lines are made one at a time, whole or in slices', () => {
  for (const length of [0, 1, 49, 50, 51, 100, 120]) {
    const values = Array.from({ length }, (_, i) => i * 7)
    const lines = new PackedLines(Buffer.from(values.map((value) => `${value}\n`).join('')), length, Number)
    assert.deepEqual([...lines], values)
    const slices = lines.slices(50)
    assert.deepEqual(
      slices.map((slice) => [slice.length, [...slice]]),
      Array.from({ length: Math.ceil(length / 50) }, (_, i) => {
        const slice = values.slice(i * 50, (i + 1) * 50)
        return [slice.length, slice]
      }),
    )
  }
})

test('lines of one width are cut without looking for their ends', () => {
  const values = Array.from({ length: 120 }, (_, i) => i + 100)
  const bytes = Buffer.from(values.map((value) => `${value}\n`).join(''))
  bytes.indexOf = () => assert.fail('looked for an end')
  const lines = new PackedLines(bytes, values.length, Number, 4)
  assert.deepEqual([...lines], values)
  assert.deepEqual(
    lines.slices(50).map((slice) => [slice.length, Array.from(slice)]),
    [
      [50, values.slice(0, 50)],
      [50, values.slice(50, 100)],
      [20, values.slice(100)],
    ],
  )
})
