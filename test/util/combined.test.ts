import assert from 'node:assert/strict'
import { test } from 'node:test'
import { combined } from '../../src/util/combined.ts'

test('all that listen are called, also where the first one does not', () => {
  interface Listener {
    began(name: string): void
    weighed?(weight: number): void
  }
  const heard: unknown[] = []
  const first: Listener = { began: (name) => heard.push(['first', name]) }
  const all = combined(
    first,
    { began: (name) => heard.push(['second', name]) },
    { weighed: (weight) => heard.push(['third', weight]) },
  )
  all.began('a')
  all.weighed?.(3)
  assert.deepEqual(heard, [
    ['first', 'a'],
    ['second', 'a'],
    ['third', 3],
  ])
})
