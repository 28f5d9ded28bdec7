/**
 * Runs tasks one at a time, in the order of the calls. A task starts when every earlier one has settled,
 * whether it succeeded or failed; the caller gets the result or the error of its own task only.
 *
 * A task must not wait for another task of the same mutex: it would wait for ever.
 */
export type Mutex = <T>(task: () => Promise<T>) => Promise<T>

export function mutex(): Mutex {
  let last: Promise<unknown> = Promise.resolve()

  return (task) => {
    const turn = last.then(task)
    last = turn.catch(() => {})
    return turn
  }
}
