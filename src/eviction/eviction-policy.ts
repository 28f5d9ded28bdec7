import type { StoredContent, StoreUsage } from '../ports/metadata.ts'

export interface EvictionPolicy {
  /** Milliseconds that content is kept, */
  readonly ttl: number
  /** counted from its last use or from when it was fetched. */
  readonly ttlFrom: 'use' | 'fetch'
  /** Bytes of committed content that are never exceeded. */
  readonly maxSize: number
  /** Bytes of the disk to leave free. */
  readonly minFree: number
}

/** Bytes that were promised to what is still on its way in. */
export interface Promised {
  readonly bytes: number
  /** Those of them that are not on the disk yet. */
  readonly unwritten: number
}

/** Eviction for space goes on this share beyond what is needed, so that it happens now and then and not at every write. */
const SLACK = 0.05
/** Milliseconds. Who has just got a manifest comes for its blobs. */
const GRACE = 10 * 60_000
/** What one more request costs, in bytes that could be downloaded instead; ten times as much where requests are scarce. */
const REQUEST = 64 * 1024
const SCARCITY = 10

/** How many bytes have to go so that `room` more fit; 0 when they do. */
export function excessBytes(
  { bytes, freeBytes }: StoreUsage,
  promised: Promised,
  { maxSize, minFree }: Pick<EvictionPolicy, 'maxSize' | 'minFree'>,
  room = 0,
): number {
  const overQuota = bytes + promised.bytes + room - maxSize
  const underFree = minFree + promised.unwritten + room - freeBytes
  return Math.max(
    overQuota > 0 ? overQuota + maxSize * SLACK : 0,
    underFree > 0 ? underFree + minFree * SLACK : 0,
  )
}

/** Whether `room` more could fit if everything that is committed went. */
export function couldFit(
  { bytes, freeBytes }: StoreUsage,
  promised: Promised,
  { maxSize, minFree }: Pick<EvictionPolicy, 'maxSize' | 'minFree'>,
  room: number,
): boolean {
  return promised.bytes + room <= maxSize && minFree + promised.unwritten + room <= freeBytes + bytes
}

/**
 * Who goes first. What to lose is the work of fetching it again, `size` bytes and one request; what to gain is `size` bytes; and how
 * soon that happens is guessed from how long nobody has used it. So: the age over the cost of each byte gained.
 *
 *     priority = age / (1 + request / size)        request = 64 KiB, 640 KiB while its upstream limits us
 *
 * Large content goes by age alone. A manifest of 2 KiB stays 33 times as long as a large layer, at a thousandth of the space.
 */
export function priority(
  { size, lastUsed }: Pick<StoredContent, 'size' | 'lastUsed'>,
  now: number,
  isNearlyExhausted = false,
): number {
  const request = isNearlyExhausted ? REQUEST * SCARCITY : REQUEST
  return (Math.max(0, now - lastUsed) * size) / (size + request)
}

/** Those of `candidates` to evict for `excess` bytes, in this order, what was just used last. */
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
