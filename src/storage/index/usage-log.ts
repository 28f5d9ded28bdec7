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

export interface UsageLogOptions<K> {
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Writes the first of them. @returns how many; 0 when that was not possible */
  readonly write: (uses: Iterable<Use<K>>) => number
  /** Between two writes. */
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
    // What is noted meanwhile waits for the next time, or a busy store would never be done.
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
