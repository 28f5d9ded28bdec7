import assert from 'node:assert/strict'
import { test } from 'node:test'
import { together } from '../../src/upload/images/together.ts'

const signal = new AbortController().signal

test('SEC-73: of ten thousand tasks few run at once, and all run', async () => {
  let running = 0
  let most = 0
  let ended = 0
  const items = Array.from({ length: 10_000 }, (_, i) => i)
  await together(
    items,
    async () => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
      ended += 1
    },
    signal,
  )
  assert.deepEqual([ended, most], [10_000, 128])
})

test('when one fails those that run are told, the others do not begin, and its error is thrown', async () => {
  const begun: number[] = []
  const told: number[] = []
  const task = async (item: number, stop: AbortSignal): Promise<void> => {
    begun.push(item)
    if (item === 3) throw new Error('the fourth')
    await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
    told.push(item)
  }
  const items = Array.from({ length: 1_000 }, (_, i) => i)
  await assert.rejects(together(items, task, signal), /the fourth/)
  assert.equal(begun.length, 128)
  assert.equal(told.length, 127)
})
