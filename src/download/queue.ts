import { RegistryError } from '../oci/errors.ts'

export interface QueueOptions {
  readonly upstream: string
  /** How many downloads may run at once. */
  readonly places: number
  /** How many may wait for a place. */
  readonly queueLength: number
  /** Milliseconds that one may wait. */
  readonly queueTimeout: number
  /** Called with how many wait, each time that changes. */
  readonly changed?: (waiting: number) => void
}

/** Limits how many downloads of an upstream run at once. */
export interface Queue {
  /**
   * Waits for a place, first come first served. Disposing the place gives it to the next one.
   *
   * @throws RegistryError TOOMANYREQUESTS when the queue is full or the wait too long; the signal's reason
   * when it aborts.
   */
  enter(signal?: AbortSignal): Promise<Disposable>
}

export function queue({
  upstream,
  places,
  queueLength,
  queueTimeout,
  changed = () => {},
}: QueueOptions): Queue {
  const waiting = new Set<() => void>()
  let taken = 0

  const take = (): Disposable => {
    taken += 1
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (!isHeld) return
        isHeld = false
        taken -= 1
        const [next] = waiting
        next?.()
      },
    }
  }

  const wait = (signal: AbortSignal | undefined) =>
    new Promise<Disposable>((resolve, reject) => {
      const leave = () => {
        waiting.delete(proceed)
        changed(waiting.size)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      const proceed = () => {
        leave()
        resolve(take())
      }
      const abort = () => {
        leave()
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        leave()
        reject(new RegistryError('TOOMANYREQUESTS', { upstream, waitedMilliseconds: queueTimeout }))
      }, queueTimeout)
      waiting.add(proceed)
      changed(waiting.size)
      signal?.addEventListener('abort', abort, { once: true })
    })

  return {
    async enter(signal) {
      signal?.throwIfAborted()
      if (taken < places) return take()
      if (waiting.size >= queueLength) throw new RegistryError('TOOMANYREQUESTS', { upstream, queueLength })
      return wait(signal)
    },
  }
}
