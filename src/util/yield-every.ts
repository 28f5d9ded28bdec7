import { setImmediate as turn } from 'node:timers/promises'

/** Milliseconds. */
const SLICE = 4

/** To be called between the steps of long work: lets the event loop turn when it was held for some milliseconds. */
export function slices(): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < SLICE) return
    await turn()
    since = performance.now()
  }
}
