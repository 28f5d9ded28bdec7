import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { type Interval, IntervalSet } from '../../src/util/interval-set.ts'

const LENGTH = 64
const position = fc.integer({ min: 0, max: LENGTH })
const stretch = fc.tuple(position, position)

suite('a set of byte positions', () => {
  test('behaves like an array of booleans', () => {
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 30 }), stretch, (added, [from, limit]) => {
        const model = Array.from({ length: LENGTH }, () => false)
        const set = new IntervalSet()
        for (const [start, end] of added) {
          set.add(start, end)
          model.fill(true, start, Math.max(start, end))
          assert.deepEqual([...set], stretchesOf(model))
          assert.equal(set.size, model.filter(Boolean).length)
        }
        assert.equal(set.filledFrom(from), nextOf(model, false, from))
        assert.deepEqual(set.firstGap(from, limit), gapIn(model, from, limit))
        assert.deepEqual([...new IntervalSet(set)], [...set])
      }),
      { numRuns: 2_000 },
    )
  })

  test('is never full without a limit', () => {
    const set = new IntervalSet([{ start: 0, end: 10 }])
    assert.deepEqual(set.firstGap(0, Infinity), { start: 10, end: Infinity })
    set.add(20, 30)
    assert.deepEqual(set.firstGap(5, Infinity), { start: 10, end: 20 })
  })

  test('positions beyond 32 bits are positions like others', () => {
    const far = 2 ** 40
    const set = new IntervalSet([{ start: far, end: far + 5 }])
    assert.equal(set.filledFrom(far + 1), far + 5)
    assert.deepEqual(set.firstGap(far - 1, far + 9), { start: far - 1, end: far })
  })
})

/** The first index from `from` on that holds `value`; LENGTH if there is none. */
function nextOf(model: readonly boolean[], value: boolean, from: number): number {
  const found = model.indexOf(value, from)
  return found === -1 ? Math.max(from, LENGTH) : found
}

function gapIn(model: readonly boolean[], from: number, limit: number): Interval | undefined {
  const start = nextOf(model, false, from)
  return start < limit ? { start, end: Math.min(nextOf(model, true, start), limit) } : undefined
}

function stretchesOf(model: readonly boolean[]): Interval[] {
  const found: Interval[] = []
  for (let at = nextOf(model, true, 0); at < LENGTH;) {
    const end = nextOf(model, false, at)
    found.push({ start: at, end })
    at = nextOf(model, true, end)
  }
  return found
}
