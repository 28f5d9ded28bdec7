import type { StoredContent, StoreUsage } from '../ports/metadata.ts'

export interface EvictionPolicy {
  /** Milliseconds that content is kept. */
  readonly ttl: number
  /** The `ttl` is counted from the last use, or from when the content was fetched. */
  readonly ttlFrom: 'use' | 'fetch'
  /** Bytes of committed content that are never exceeded. */
  readonly maxSize: number
  /** Bytes of the disk to leave free. */
  readonly minFree: number
}

/** Bytes reserved for content on its way in. */
export interface Reserved {
  readonly bytes: number
  /** The part of them that is not on the disk yet. */
  readonly unwritten: number
}

/** Eviction for space frees this share more than needed, so that it does not run at every write. */
const SLACK = 0.05
/** Milliseconds. A client that has just pulled a manifest comes back for its blobs. */
const GRACE = 10 * 60_000
/** The cost of one more request, in bytes that could be downloaded instead. */
const REQUEST = 64 * 1024
/** Requests cost this many times as much while their upstream limits us. */
const SCARCITY = 10

/** Bytes to evict so that `room` more fit; 0 when they fit. */
export function excessBytes(
  { bytes, freeBytes }: StoreUsage,
  reserved: Reserved,
  { maxSize, minFree }: Pick<EvictionPolicy, 'maxSize' | 'minFree'>,
  room = 0,
): number {
  const overQuota = bytes + reserved.bytes + room - maxSize
  const underFree = minFree + reserved.unwritten + room - freeBytes
  return Math.max(
    overQuota > 0 ? overQuota + maxSize * SLACK : 0,
    underFree > 0 ? underFree + minFree * SLACK : 0,
  )
}

/** Whether `room` more bytes would fit if all committed content were evicted. */
export function couldFit(
  { bytes, freeBytes }: StoreUsage,
  reserved: Reserved,
  { maxSize, minFree }: Pick<EvictionPolicy, 'maxSize' | 'minFree'>,
  room: number,
): boolean {
  return reserved.bytes + room <= maxSize && minFree + reserved.unwritten + room <= freeBytes + bytes
}

/**
 * The content of the highest priority is evicted first. Evicting it gains `size` bytes. It costs another
 * download of `size` bytes and one request, the later the longer the content has not been used. So the
 * priority is the age over the cost of each byte gained:
 *
 *     priority = age / (1 + request / size)     request = 64 KiB, 640 KiB while its upstream limits us
 *
 * Large content is evicted by age alone. A manifest of 2 KiB stays 33 times as long as a large layer, at a
 * thousandth of the space.
 */
export function priority(
  { size, lastUsed }: Pick<StoredContent, 'size' | 'lastUsed'>,
  now: number,
  isNearlyExhausted = false,
): number {
  const request = isNearlyExhausted ? REQUEST * SCARCITY : REQUEST
  return (Math.max(0, now - lastUsed) * size) / (size + request)
}

/** The candidates to evict for `excess` bytes, in order. Content in its grace period comes last. */
export function victims(
  candidates: readonly StoredContent[],
  excess: number,
  now: number,
  isNearlyExhausted: (upstream: string) => boolean,
): readonly StoredContent[] {
  const ordered = candidates
    .map((content) => ({
      content,
      inGrace: now - content.lastUsed < GRACE,
      priority: priority(content, now, content.upstreams.some(isNearlyExhausted)),
    }))
    .toSorted((a, b) => Number(a.inGrace) - Number(b.inGrace) || b.priority - a.priority)
  const chosen: StoredContent[] = []
  let left = excess
  for (const { content } of ordered) {
    if (left <= 0) break
    chosen.push(content)
    left -= content.size
  }
  return chosen
}
