import { RegistryError } from '../oci/errors.ts'

export interface LaneOptions {
  readonly upstream: string
  /** How many may be in it at once. */
  readonly width: number
  /** How many may wait for a place. */
  readonly queueLength: number
  /** Milliseconds one may wait. */
  readonly queueTimeout: number
}

export interface Lane {
  /**
   * Takes a place, first come first served; disposing what it returns gives it back.
   * @throws RegistryError TOOMANYREQUESTS when the queue is full or the wait too long; the signal's reason when it aborts.
   */
  enter(signal?: AbortSignal): Promise<Disposable>
}

export function lane({ upstream, width, queueLength, queueTimeout }: LaneOptions): Lane {
  const queue = new Set<() => void>()
  let inside = 0

  const place = (): Disposable => {
    inside += 1
    let held = true
    return {
      [Symbol.dispose]() {
        if (!held) return
        held = false
        inside -= 1
        const [next] = queue
        next?.()
      },
    }
  }

  const wait = (signal: AbortSignal | undefined) =>
    new Promise<Disposable>((resolve, reject) => {
      const leave = () => {
        queue.delete(proceed)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      const proceed = () => {
        leave()
        resolve(place())
      }
      const abort = () => {
        leave()
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        leave()
        reject(new RegistryError('TOOMANYREQUESTS', { upstream, waitedMilliseconds: queueTimeout }))
      }, queueTimeout)
      queue.add(proceed)
      signal?.addEventListener('abort', abort, { once: true })
    })

  return {
    async enter(signal) {
      signal?.throwIfAborted()
      if (inside < width) return place()
      if (queue.size >= queueLength) throw new RegistryError('TOOMANYREQUESTS', { upstream, queueLength })
      return wait(signal)
    },
  }
}
