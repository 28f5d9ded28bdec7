import { untilAborted } from '../util/until-aborted.ts'

/** One reader's place at a transfer; disposing it leaves, and ends whatever it waits for. */
export interface Seat extends Disposable {
  /** Waits until bytes at `position` may be there. */
  wait(position: number): Promise<void>
  until<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T>
  /** @throws when the seat was left. */
  check(): void
}

export interface Followers {
  readonly count: number
  join(): Seat
  /** Where readers wait, the longest wait first. */
  positions(): Iterable<number>
  wake(ready: (position: number) => boolean): void
  fail(error: unknown): void
}

interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Those who follow one transfer, and what each of them waits for. */
export function followers(): Followers {
  const waiters = new Set<Waiter>()
  let count = 0

  return {
    get count() {
      return count
    },
    positions() {
      return [...waiters].map(({ position }) => position)
    },
    wake(ready) {
      for (const waiter of waiters) if (ready(waiter.position)) waiter.resolve()
    },
    fail(error) {
      for (const waiter of waiters) waiter.reject(error)
    },
    join() {
      const left = new AbortController()
      count += 1
      return {
        check() {
          left.signal.throwIfAborted()
        },
        until(promise, signal) {
          return untilAborted(
            promise,
            signal === undefined ? left.signal : AbortSignal.any([left.signal, signal]),
          )
        },
        async wait(position) {
          const { promise, resolve, reject } = Promise.withResolvers<void>()
          const waiter = { position, resolve, reject }
          waiters.add(waiter)
          left.signal.addEventListener('abort', abort, { once: true })
          try {
            await promise
          } finally {
            waiters.delete(waiter)
            left.signal.removeEventListener('abort', abort)
          }
          function abort() {
            reject(left.signal.reason)
          }
        },
        [Symbol.dispose]() {
          if (left.signal.aborted) return
          count -= 1
          left.abort()
        },
      }
    },
  }
}
