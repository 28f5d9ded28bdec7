/** Limits how many requests wait for the headers of their response at once. */
export interface Places {
  /**
   * Waits for a place, first come first served, within the rule below. `leave` gives the place to the next;
   * further calls do nothing.
   *
   * @throws the signal's reason when it aborts
   */
  enter(owner: string, signal?: AbortSignal): Promise<{ leave(): void }>
}

interface Waiter {
  readonly owner: string
  readonly proceed: () => void
}

/**
 * `count` places. The last quarter of them is for owners that have none, so that one repository whose
 * requests hang does not keep the others waiting (SEC-72).
 */
export function places(count: number): Places {
  const reserved = Math.floor(count / 4)
  const held = new Map<string, number>()
  const waiting = new Set<Waiter>()
  let free = count

  const isFreeFor = (owner: string): boolean => free > reserved || (free > 0 && !held.has(owner))

  const take = (owner: string): { leave(): void } => {
    free -= 1
    held.set(owner, (held.get(owner) ?? 0) + 1)
    let isHeld = true
    return {
      leave() {
        if (!isHeld) return
        isHeld = false
        free += 1
        const rest = held.get(owner)! - 1
        if (rest === 0) held.delete(owner)
        else held.set(owner, rest)
        admitNext()
      },
    }
  }

  const admitNext = (): void => {
    if (free === 0) return
    for (const waiter of waiting) {
      if (isFreeFor(waiter.owner)) return waiter.proceed()
    }
  }

  const wait = (owner: string, signal: AbortSignal | undefined): Promise<{ leave(): void }> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        waiting.delete(waiter)
        signal?.removeEventListener('abort', abort)
      }
      const waiter: Waiter = {
        owner,
        proceed() {
          end()
          resolve(take(owner))
        },
      }
      const abort = (): void => {
        end()
        reject(signal?.reason as Error)
      }
      waiting.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })

  return {
    async enter(owner, signal) {
      signal?.throwIfAborted()
      return isFreeFor(owner) ? take(owner) : wait(owner, signal)
    },
  }
}
