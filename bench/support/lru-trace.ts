export interface LruTrace {
  /** What is asked for, in order. */
  request(key: number, size: number): void
  /** The share of requests, and of bytes, that was there. */
  readonly hits: number
  readonly byteHits: number
}

/** A cache of `capacity` bytes that fetches in no time and evicts what was least recently used, and not a byte too many. */
export function lruTrace(capacity: number): LruTrace {
  const cached = new Map<number, number>()
  let held = 0
  const counts = { requests: 0, bytes: 0, hits: 0, hitBytes: 0 }

  return {
    request(key, size) {
      counts.requests += 1
      counts.bytes += size
      if (cached.delete(key)) {
        counts.hits += 1
        counts.hitBytes += size
      } else held += size
      cached.set(key, size)
      for (const [oldest, bytes] of cached) {
        if (held <= capacity) break
        cached.delete(oldest)
        held -= bytes
      }
    },
    get hits() {
      return counts.hits / counts.requests
    },
    get byteHits() {
      return counts.hitBytes / counts.bytes
    },
  }
}
