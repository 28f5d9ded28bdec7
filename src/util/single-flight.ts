import { untilAborted } from './until-aborted.ts'

/** Runs a task once however many ask for it meanwhile. */
export interface SingleFlight<T> {
  /**
   * Joins the running task of this key, or starts `task`. A caller's `signal` ends its own wait; the task goes on for the others,
   * and for whoever asks next. `joined` tells the caller that it did not start it.
   */
  run(
    key: string,
    task: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly value: T; readonly joined: boolean }>
}

export function singleFlight<T>(): SingleFlight<T> {
  const running = new Map<string, Promise<T>>()

  return {
    async run(key, task, signal) {
      const current = running.get(key)
      if (current !== undefined) return { value: await untilAborted(current, signal), joined: true }
      const started = task().finally(() => running.delete(key))
      running.set(key, started)
      return { value: await untilAborted(started, signal), joined: false }
    },
  }
}
