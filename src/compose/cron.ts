import { createTask } from 'node-cron'
import { byTheClock, type Schedule } from '../util/async/by-the-clock.ts'

/**
 * node-cron tells when a task is due. Its own timer is not used: after a step of the clock it walks over all that
 * was missed, in one go, and after a step back it waits until the clock has come round again.
 */
export const cron: Schedule = (expression, task) => {
  const due = createTask(expression, () => {})
  const scheduled = byTheClock(() => due.getNextRuns(1)[0]!.getTime(), task)
  return {
    async [Symbol.asyncDispose]() {
      await due.destroy()
      await scheduled[Symbol.asyncDispose]()
    },
  }
}
