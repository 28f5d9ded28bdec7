/**
 * Values on their way to a slower reader. A value replaces an earlier one of its key that was not read yet,
 * so that progress does not pile up.
 */
export interface LineFeed<T> extends AsyncIterable<T> {
  put(key: string, value: T): void
  /** No more follow. */
  end(): void
}

/** @param pause milliseconds between two readings, in which values of one key are joined */
export function lineFeed<T>(pause: number): LineFeed<T> {
  const waiting = new Map<string, T>()
  let isEnded = false
  let changed = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()

  return {
    put(key, value) {
      waiting.set(key, value)
      changed.resolve()
    },
    end() {
      isEnded = true
      changed.resolve()
      ended.resolve()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        if (isEnded && waiting.size === 0) return
        await changed.promise
        if (!isEnded) changed = Promise.withResolvers()
        const values = [...waiting.values()]
        waiting.clear()
        yield* values
        let timer: NodeJS.Timeout | undefined
        const paused = new Promise<void>((resolve) => (timer = setTimeout(resolve, pause)))
        await Promise.race([paused, ended.promise])
        clearTimeout(timer)
      }
    },
  }
}
