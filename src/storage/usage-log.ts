import { setImmediate as turn } from 'node:timers/promises'

/** Gathers when things were used and writes it in batches: a read must not cost a write. */
export interface UsageLog<K extends readonly string[]> {
  /** `hit`: it was read, and not only asked about. */
  note(key: K, hit?: boolean): void
  /** Writes what was gathered, with turns of the event loop in between; what could not be written stays for the next time. */
  flush(): Promise<void>
  /** Writes it all at once, and ends the timer. */
  close(): void
}

export interface Use<K> {
  readonly key: K
  /** Epoch milliseconds. */
  readonly at: number
  /** Since it was written last. */
  readonly hits: number
}

const EVERY = 5_000
/** So many take a few milliseconds. */
const SLICE = 200

/** `write` is given a batch, and says whether it could be written. */
export function usageLog<K extends readonly string[]>(
  now: () => number,
  write: (uses: readonly Use<K>[]) => boolean,
): UsageLog<K> {
  const uses = new Map<string, Use<K>>()
  const writeSlice = (most: number): boolean => {
    const slice = [...uses.entries().take(most)]
    if (slice.length === 0 || !write(slice.map(([, use]) => use))) return false
    for (const [key] of slice) uses.delete(key)
    return uses.size > 0
  }
  const flush = async (): Promise<void> => {
    // What is noted meanwhile waits for the next time, or a busy store would never be done.
    for (let left = uses.size; left > 0 && writeSlice(Math.min(SLICE, left)); left -= SLICE) await turn()
  }
  const timer = setInterval(() => void flush(), EVERY).unref()

  return {
    note(key, hit = false) {
      const id = key.join(' ')
      uses.set(id, { key, at: now(), hits: (uses.get(id)?.hits ?? 0) + Number(hit) })
    },
    flush,
    close() {
      clearInterval(timer)
      writeSlice(Infinity)
    },
  }
}
