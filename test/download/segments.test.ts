import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IntervalSet } from '../../src/util/interval-set.ts'
import { type Segment, SegmentAllocator } from '../../src/download/fetch/segments.ts'

const MiB = 1024 * 1024
const LENGTH = 8 * MiB

test('one connection works through the gaps, a further one takes over a segment ahead of it', () => {
  const filled = new IntervalSet()
  const segments = new SegmentAllocator(filled)
  const first = segments.takeGap(100 * MiB)!
  assert.deepEqual(first, { position: 0, end: 100 * MiB })
  assert.equal(segments.takeNext(100 * MiB, LENGTH), undefined)

  const second = segments.takeOver(LENGTH)!
  assert.deepEqual(second, { position: LENGTH, end: 2 * LENGTH })
  assert.equal(first.end, LENGTH)
  assert.deepEqual(segments.takeNext(100 * MiB, LENGTH), { position: 2 * LENGTH, end: 3 * LENGTH })
})

test('a reader far ahead gets its bytes first, and what lies between stays to be fetched', () => {
  const filled = new IntervalSet()
  const segments = new SegmentAllocator(filled)
  const first = segments.takeGap(100 * MiB)!
  const ahead = segments.takeAt(50 * MiB, 100 * MiB, LENGTH)!
  assert.deepEqual(ahead, { position: 50 * MiB, end: 58 * MiB })
  assert.equal(first.end, 50 * MiB)
  assert.equal(segments.distanceTo(52 * MiB), 2 * MiB)
  assert.deepEqual(segments.takeNext(100 * MiB, LENGTH), { position: 58 * MiB, end: 66 * MiB })
  filled.add(50 * MiB, 58 * MiB)
  assert.equal(segments.takeAt(51 * MiB, 100 * MiB, LENGTH), undefined)
})

test('what is written already is no distance, also before its connection has gone on', () => {
  const filled = new IntervalSet()
  const segments = new SegmentAllocator(filled)
  segments.takeGap(100 * MiB)
  filled.add(0, MiB)
  assert.equal(segments.distanceTo(MiB), 0)
  assert.equal(segments.distanceTo(3 * MiB), 2 * MiB)
  assert.equal(segments.distanceTo(MiB / 2), 0)
})

test('a reader that has not yet read what was written waits for nobody', () => {
  const filled = new IntervalSet()
  const segments = new SegmentAllocator(filled)
  const first = segments.takeGap(100 * MiB)!
  filled.add(0, 2 * MiB)
  first.position = 2 * MiB
  assert.equal(segments.distanceTo(MiB), 0)
})

test('a part that may not be taken over stays where it is', () => {
  const segments = new SegmentAllocator(new IntervalSet())
  const first = segments.takeGap(100 * MiB)!
  const asked: [Segment, number][] = []
  const mayDivide = (segment: Segment, end: number) => asked.push([segment, end]) < 0
  assert.equal(segments.takeAt(50 * MiB, 100 * MiB, LENGTH, mayDivide), undefined)
  assert.equal(segments.takeOver(LENGTH, mayDivide), undefined)
  assert.deepEqual(asked, [
    [first, 50 * MiB],
    [first, LENGTH],
  ])
  assert.equal(first.end, 100 * MiB)
})

test('what nobody else can fetch goes back to the body that has it, up to what another one fetches', () => {
  const segments = new SegmentAllocator(new IntervalSet())
  const first = segments.takeGap(100 * MiB)!
  first.bodyEnd = 100 * MiB
  const second = segments.takeAt(50 * MiB, 100 * MiB, LENGTH)!
  const third = segments.takeAt(20 * MiB, 100 * MiB, LENGTH)!
  segments.release(third)
  segments.reclaim()
  assert.equal(first.end, 50 * MiB)
  segments.release(second)
  segments.reclaim()
  assert.equal(first.end, 100 * MiB)
})

test('what is nearly done is not divided further', () => {
  const segments = new SegmentAllocator(new IntervalSet())
  segments.takeGap(1.5 * MiB)
  assert.equal(segments.takeOver(LENGTH), undefined)
})

test('an upstream without ranges starts at the first missing byte and overwrites what is there behind it', () => {
  const segments = new SegmentAllocator(
    new IntervalSet([
      { start: 0, end: 10 },
      { start: 50, end: 60 },
    ]),
  )
  assert.deepEqual(segments.takeRest(100), { position: 10, end: 100 })
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
      const segments = new SegmentAllocator(filled)
      const held: Segment[] = []
      const keep = (segment: Segment | undefined) => segment && held.push(segment)
      const write = (segment: Segment, bytes: number) => {
        const end = Math.min(segment.end, segment.position + bytes)
        filled.add(segment.position, end)
        segment.position = end
      }
      keep(segments.takeGap(SIZE))
      for (const { act, at } of steps) {
        const some = held[at % Math.max(1, held.length)]
        if (act === 'next') keep(segments.takeNext(SIZE, LENGTH))
        if (act === 'over') keep(segments.takeOver(LENGTH))
        if (act === 'at') keep(segments.takeAt(at, SIZE, LENGTH))
        if (act === 'write' && some) write(some, at % (4 * MiB))
        if (act === 'release' && some) {
          segments.release(some)
          held.splice(held.indexOf(some), 1)
        }
        const sorted = held.filter((c) => c.position < c.end).toSorted((a, b) => a.position - b.position)
        sorted.reduce((end, segment) => {
          assert.ok(segment.position >= end, 'two segments overlap')
          return segment.end
        }, 0)
      }
      for (const segment of held) {
        write(segment, SIZE)
        segments.release(segment)
      }
      for (
        let segment = segments.takeNext(SIZE, LENGTH);
        segment;
        segment = segments.takeNext(SIZE, LENGTH)
      ) {
        write(segment, SIZE)
        segments.release(segment)
      }
      assert.deepEqual([...filled], [{ start: 0, end: SIZE }])
    }),
  )
})
