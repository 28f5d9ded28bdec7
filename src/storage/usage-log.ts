/** Gathers when things were used and writes it in batches: a read must not cost a write. */
export interface UsageLog<K extends readonly string[]> {
  note(key: K): void
  flush(): void
  /** Flushes, and ends the timer. */
  close(): void
}

export interface Use<K> {
  readonly key: K
  /** Epoch milliseconds. */
  readonly at: number
}

const EVERY = 5_000

export function usageLog<K extends readonly string[]>(
  now: () => number,
  write: (uses: readonly Use<K>[]) => void,
): UsageLog<K> {
  const uses = new Map<string, Use<K>>()
  const flush = (): void => {
    if (uses.size === 0) return
    const batch = [...uses.values()]
    uses.clear()
    write(batch)
  }
  const timer = setInterval(() => {
    try {
      flush()
    } catch {
      // A full or failing disk: these uses are lost, which makes eviction a little less fair and nothing else.
    }
  }, EVERY).unref()

  return {
    note(key) {
      uses.set(key.join(' '), { key, at: now() })
    },
    flush,
    close() {
      clearInterval(timer)
      flush()
    },
  }
}
