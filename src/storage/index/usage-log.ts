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
  /**
   * Writes the first of the uses, or a part of it. @returns how many are done; undefined when writing failed
   */
  readonly write: (uses: Iterable<Use<K>>) => number | undefined
  /** Lets others run between two writes; for longer in the middle of a use. */
  readonly rest: (isPause: boolean) => Promise<void>
}

const EVERY = 5_000

export function usageLog<K extends readonly string[]>({ now, write, rest }: UsageLogOptions<K>): UsageLog<K> {
  const uses = new Map<string, { -readonly [Part in keyof Use<K>]: Use<K>[Part] }>()
  const inOrder = { [Symbol.iterator]: () => uses.values() }
  /** @returns undefined when nothing is left, or writing failed */
  const writeSome = (): number | undefined => {
    const written = uses.size === 0 ? undefined : write(inOrder)
    for (const key of uses.keys().take(written ?? 0)) uses.delete(key)
    return written
  }
  const flush = async (): Promise<void> => {
    // Uses noted during the flush wait for the next one, or a busy store would never finish.
    for (let left = uses.size; left > 0;) {
      const written = writeSome()
      if (written === undefined) return
      left -= written
      await rest(written === 0)
    }
  }
  const timer = setInterval(() => void flush(), EVERY).unref()

  return {
    note(key, hit = false) {
      let id = key[0]!
      for (let part = 1; part < key.length; part++) id += ` ${key[part]}`
      const use = uses.get(id)
      if (use === undefined) return void uses.set(id, { key, at: now(), hits: Number(hit) })
      use.at = now()
      if (hit) use.hits += 1
    },
    flush,
    close() {
      clearInterval(timer)
      while (writeSome() !== undefined);
    },
  }
}
