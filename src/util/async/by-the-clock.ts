/** Something that is done by the clock. Disposing it ends that, and waits for the task that runs. */
export type Scheduled = AsyncDisposable

/**
 * Runs a task by the wall clock, as a cron expression says. Runs do not overlap: what is due meanwhile is left
 * out. The task is told since when it is due, in epoch milliseconds.
 */
export type Schedule = (expression: string, task: (due: number) => Promise<void>) => Scheduled

/** Milliseconds between two looks at the wall clock, which may have been set. */
const LOOK_EVERY = 30_000

/**
 * Runs a task whenever it is due by the wall clock. A machine that slept, or whose clock was set forwards, does
 * once what it has missed. A clock that was set back is followed: nothing waits until it comes round again.
 *
 * @param next when the task is due next, after the present instant, in epoch milliseconds
 * @param task must not throw
 */
export function byTheClock(next: () => number, task: (due: number) => Promise<void>): Scheduled {
  let dueAt = next()
  let timer = wait()
  let running: Promise<void> | undefined

  function wait(): NodeJS.Timeout {
    return setTimeout(look, Math.max(0, Math.min(dueAt - Date.now(), LOOK_EVERY))).unref()
  }

  function look(): void {
    if (Date.now() >= dueAt) running ??= task(dueAt).finally(() => (running = undefined))
    dueAt = next()
    timer = wait()
  }

  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      await running
    },
  }
}
