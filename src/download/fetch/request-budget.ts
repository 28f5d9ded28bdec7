/** How many requests upstream a blob may cost: some registries limit requests, and each has its latency. */

const MiB = 1024 * 1024
/** Requests that any blob may cost, */
const BASE = 8
/** and one more for each so many bytes. */
const BYTES_PER_REQUEST = 64 * MiB
/** Bytes. Shorter segments keep the order of reading; below this a request costs more than it brings. */
const SHORTEST_SEGMENT = 8 * MiB

/** The requests of one download, at one moment. */
export interface RequestCount {
  /** Bytes of the blob. */
  readonly size: number
  /** Bytes that have not arrived. */
  readonly missing: number
  /** Requests sent so far, those that failed included. */
  readonly sent: number
  /** Requests that have to follow whatever is decided: one for each free stretch. */
  readonly due: number
}

/** The share of the requests that are left which fetches the rest. Others are for readers and retries. */
const PLANNED = 0.6

/** Bytes of the next segment. */
export function segmentLength(requests: RequestCount): number {
  const left = requestsLeft(requests)
  if (left <= 0) return Infinity
  return Math.max(SHORTEST_SEGMENT, Math.ceil(requests.missing / (left * PLANNED)))
}

/**
 * Whether `count` more connections may be opened. Each sends a request, and one may leave a stretch behind
 * it.
 */
export function mayOpenAnother(requests: RequestCount, count = 1): boolean {
  return requestsLeft(requests) > count
}

function requestsLeft({ size, sent, due }: RequestCount): number {
  return BASE + Math.floor(size / BYTES_PER_REQUEST) - sent - due
}
