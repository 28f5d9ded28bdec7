import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IntervalSet } from '../../src/util/interval-set.ts'
import { type Claim, Claims } from '../../src/download/segments.ts'

const MiB = 1024 * 1024
const SEGMENT = 8 * MiB

test('one connection works through the gaps, a further one takes over a segment ahead of it', () => {
  const filled = new IntervalSet()
  const claims = new Claims(filled, SEGMENT)
  const first = claims.takeGap(100 * MiB)!
  assert.deepEqual(first, { position: 0, end: 100 * MiB })
  assert.equal(claims.takeNext(100 * MiB), undefined)

  const second = claims.takeOver()!
  assert.deepEqual(second, { position: SEGMENT, end: 2 * SEGMENT })
  assert.equal(first.end, SEGMENT)
  assert.deepEqual(claims.takeNext(100 * MiB), { position: 2 * SEGMENT, end: 3 * SEGMENT })
})

test('a reader far ahead gets its bytes first, and what lies between stays to be fetched', () => {
  const filled = new IntervalSet()
  const claims = new Claims(filled, SEGMENT)
  const first = claims.takeGap(100 * MiB)!
  const ahead = claims.takeAt(50 * MiB, 100 * MiB)!
  assert.deepEqual(ahead, { position: 50 * MiB, end: 58 * MiB })
  assert.equal(first.end, 50 * MiB)
  assert.equal(claims.distanceTo(52 * MiB), 2 * MiB)
  assert.deepEqual(claims.takeNext(100 * MiB), { position: 58 * MiB, end: 66 * MiB })
  filled.add(50 * MiB, 58 * MiB)
  assert.equal(claims.takeAt(51 * MiB, 100 * MiB), undefined)
})

test('what is nearly done is not divided further', () => {
  const claims = new Claims(new IntervalSet(), SEGMENT)
  claims.takeGap(1.5 * MiB)
  assert.equal(claims.takeOver(), undefined)
})

test('an upstream without ranges starts at the first missing byte and overwrites what is there behind it', () => {
  const claims = new Claims(
    new IntervalSet([
      { start: 0, end: 10 },
      { start: 50, end: 60 },
    ]),
    SEGMENT,
  )
  assert.deepEqual(claims.takeRest(100), { position: 10, end: 100 })
})

test('whatever is taken, split, filled and given back, every byte is fetched and none is claimed twice', () => {
  const SIZE = 64 * MiB
  const step = fc.record({
    act: fc.constantFrom('next', 'over', 'at', 'write', 'release'),
    at: fc.nat(SIZE - 1),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const filled = new IntervalSet()
      const claims = new Claims(filled, SEGMENT)
      const held: Claim[] = []
      const keep = (claim: Claim | undefined) => claim && held.push(claim)
      const write = (claim: Claim, bytes: number) => {
        const end = Math.min(claim.end, claim.position + bytes)
        filled.add(claim.position, end)
        claim.position = end
      }
      keep(claims.takeGap(SIZE))
      for (const { act, at } of steps) {
        const some = held[at % Math.max(1, held.length)]
        if (act === 'next') keep(claims.takeNext(SIZE))
        if (act === 'over') keep(claims.takeOver())
        if (act === 'at') keep(claims.takeAt(at, SIZE))
        if (act === 'write' && some) write(some, at % (4 * MiB))
        if (act === 'release' && some) {
          claims.release(some)
          held.splice(held.indexOf(some), 1)
        }
        const sorted = held.filter((c) => c.position < c.end).toSorted((a, b) => a.position - b.position)
        sorted.reduce((end, claim) => {
          assert.ok(claim.position >= end, 'two claims overlap')
          return claim.end
        }, 0)
      }
      for (const claim of held) {
        write(claim, SIZE)
        claims.release(claim)
      }
      for (let claim = claims.takeNext(SIZE); claim; claim = claims.takeNext(SIZE)) {
        write(claim, SIZE)
        claims.release(claim)
      }
      assert.deepEqual([...filled], [{ start: 0, end: SIZE }])
    }),
  )
})
