import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Makes a function to await between the steps of long work. It lets the event loop turn when the work has
 * held the loop for `milliseconds` since the last turn, and returns at once otherwise.
 */
export function yieldEvery(milliseconds = 4): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < milliseconds) return
    await nextTurn()
    since = performance.now()
  }
}
