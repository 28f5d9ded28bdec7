export interface Untaken<T extends { readonly kind: string }> {
  /** Takes one, or keeps it to try again. */
  attempt(item: T): Promise<void>
  /** Tries those again whose time has come. */
  again(): Promise<void>
  /** Whether one of a kind is still to be taken. */
  has(kind: string): boolean
}

export interface UntakenOptions<T> {
  readonly take: (item: T) => Promise<void>
  /** It was taken, or given up. */
  readonly over: (item: T) => Promise<void>
  readonly failed: (error: unknown) => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

const TRIES = 20
/** Milliseconds between two tries: a disk that is full is not so for ever. */
const AGAIN = 10_000
/** Items that wait; the oldest gives way. */
const MOST = 1_000

/** What could not be taken, and is tried again for some minutes. */
export function untaken<T extends { readonly kind: string }>({
  take,
  over,
  failed,
  now,
}: UntakenOptions<T>): Untaken<T> {
  const waiting = new Map<T, { tries: number; triedAt: number }>()

  return {
    attempt: tryOnce,
    async again() {
      for (const [item, { triedAt }] of waiting) {
        if (Math.abs(now() - triedAt) >= AGAIN) await tryOnce(item)
      }
    },
    has: (kind) => waiting.keys().some((item) => item.kind === kind),
  }

  async function tryOnce(item: T): Promise<void> {
    try {
      await take(item)
    } catch (error) {
      failed(error)
      const tries = (waiting.get(item)?.tries ?? 0) + 1
      if (tries < TRIES) {
        waiting.set(item, { tries, triedAt: now() })
        const oldest = waiting.keys().next()
        if (waiting.size > MOST && !oldest.done) waiting.delete(oldest.value)
        return
      }
    }
    waiting.delete(item)
    await over(item)
  }
}
