import { untilAborted } from './until-aborted.ts'

/** Runs one task per key at a time, and shares its result among all callers that ask while it runs. */
export interface SingleFlight<T> {
  /**
   * Joins the running task of this key, or starts `task`. `joined` is true when another caller started it.
   *
   * `signal` ends the caller's own wait only: the task goes on for the others, and for callers that join
   * later.
   *
   * @throws what the task threw, or the signal's reason. A failed task is not remembered: the next caller
   * starts again.
   */
  run(
    key: string,
    task: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly value: T; readonly joined: boolean }>
  /** Whether a task of this key is running. */
  has(key: string): boolean
  /** How many tasks are running. */
  readonly size: number
}

export function singleFlight<T>(): SingleFlight<T> {
  const running = new Map<string, Promise<T>>()

  return {
    async run(key, task, signal) {
      const current = running.get(key)
      if (current !== undefined) return { value: await untilAborted(current, signal), joined: true }
      const started = Promise.try(task).finally(() => running.delete(key))
      running.set(key, started)
      return { value: await untilAborted(started, signal), joined: false }
    },
    has(key) {
      return running.has(key)
    },
    get size() {
      return running.size
    },
  }
}
