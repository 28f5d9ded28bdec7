/** Long tasks that wait for a turn of the event loop. */
const waiting: (() => void)[] = []

/**
 * Makes a function to await between the steps of long work. It lets the event loop turn when the work has
 * held the loop for `milliseconds` since its last turn, and returns at once otherwise. Each turn of the loop goes
 * on with one such task: however many there are, together they hold others up for no longer than one does.
 */
export function yieldEvery(milliseconds = 4): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < milliseconds) return
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(goOn)
    })
    since = performance.now()
  }
}

function goOn(): void {
  waiting.shift()!()
  if (waiting.length > 0) setImmediate(goOn)
}
