/** Collects when things were used and writes that in batches, so that a read does not cost a write. */
export interface UsageLog<K extends readonly string[]> {
  /** With `hit`, it was read, and not only asked about. */
  note(key: K, hit?: boolean): void
  /** Writes what was collected, in slices. Uses that could not be written stay for the next flush. */
  flush(): Promise<void>
  /** Writes everything at once and stops the timer. */
  close(): void
}

export interface Use<K> {
  readonly key: K
  /** Epoch milliseconds. */
  readonly at: number
  /** Hits since the last write. */
  readonly hits: number
}

export interface UsageLogOptions<K> {
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Writes the first of the uses. @returns how many were written; 0 when that was not possible */
  readonly write: (uses: Iterable<Use<K>>) => number
  /** Lets others run between two writes. */
  readonly rest: () => Promise<void>
}

const EVERY = 5_000

export function usageLog<K extends readonly string[]>({ now, write, rest }: UsageLogOptions<K>): UsageLog<K> {
  const uses = new Map<string, Use<K>>()
  const inOrder = { [Symbol.iterator]: () => uses.values() }
  const writeSome = (): number => {
    const written = uses.size === 0 ? 0 : write(inOrder)
    for (const key of uses.keys().take(written)) uses.delete(key)
    return written
  }
  const flush = async (): Promise<void> => {
    // Uses noted during the flush wait for the next one, or a busy store would never finish.
    for (let left = uses.size, written; left > 0 && (written = writeSome()) > 0; left -= written) await rest()
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
      while (writeSome() > 0);
    },
  }
}
