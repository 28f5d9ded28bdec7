import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BufferPool } from '../../src/http/pieces/buffer-pool.ts'

const MiB = 1024 * 1024

describe('the buffer pool', () => {
  test('lends what is needed, at most 512 KiB, less as the budget goes, never less than 16 KiB', () => {
    const pool = new BufferPool(64 * MiB)
    assert.equal(pool.take(1).length, 16 * 1024)
    assert.equal(pool.take(16 * 1024 + 1).length, 32 * 1024)
    assert.equal(pool.take(64 * MiB).length, 512 * 1024)
    const sizes = Array.from({ length: 2000 }, () => pool.take(64 * MiB).length)
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => b - a),
    )
    assert.equal(sizes.at(-1), 16 * 1024)
  })

  test('64 readers have the largest pieces, two each; a thousand have 64 KiB each, within the budget', () => {
    for (const [readers, pieces, size] of [
      [64, 2, 512],
      [1000, 1, 64],
    ] as const) {
      const pool = new BufferPool()
      const held = Array.from({ length: readers * pieces }, () => pool.take(64 * MiB))
      // Each gives back what it got when others were there, more than once.
      for (let at = 0; at < 8 * held.length; at++) {
        const reader = at % held.length
        pool.give(held[reader]!)
        held[reader] = pool.take(64 * MiB)
      }
      assert.ok(held.every((buffer) => buffer.length >= size * 1024))
      assert.ok(pool.lentBytes <= 96 * MiB)
    }
  })

  test('large buffers of a quiet time make room for the small ones of a busy one', () => {
    const pool = new BufferPool(MiB)
    pool.give(pool.take(16 * 1024))
    const small = Array.from({ length: 64 }, () => pool.take(1))
    for (const buffer of small) pool.give(buffer)
    const again = new Set(Array.from({ length: 32 }, () => pool.take(1)))
    assert.ok(again.isSubsetOf(new Set(small)), 'small buffers were not kept')
  })

  test('however many read, buffers go from one to the other, and hardly one is made', () => {
    const pool = new BufferPool()
    const seen = new Set<Buffer>()
    const lent: Buffer[] = []
    let random = 1
    const readPieces = (count: number): number => {
      const before = seen.size
      for (let i = 0; i < count; i++) {
        random = (random * 48_271) % 2_147_483_647
        // Each reader holds one piece or two, so the total varies.
        const takes = lent.length < 50 || (lent.length < 100 && random % 2 === 0)
        if (takes) lent.push(pool.take(MiB))
        else pool.give(lent.splice(random % lent.length, 1)[0]!)
        if (takes) seen.add(lent.at(-1)!)
      }
      return seen.size - before
    }
    readPieces(1000)
    const made = readPieces(10_000)
    assert.ok(made < 100, `${made}`)
  })

  test('lends a returned buffer again, a forgotten one never', () => {
    const pool = new BufferPool()
    const [first, second] = [pool.take(MiB), pool.take(MiB)]
    pool.give(first)
    pool.forget(second)
    assert.equal(pool.lentBytes, 0)
    assert.equal(pool.take(MiB), first)
    assert.notEqual(pool.take(MiB), second)
  })
})
