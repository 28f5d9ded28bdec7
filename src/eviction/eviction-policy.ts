import type { StoredContent, StoreUsage } from '../ports/metadata.ts'

export interface EvictionPolicy {
  /** Milliseconds that content is kept. */
  readonly ttl: number
  /** The `ttl` is counted from the last use, or from when the content was fetched. */
  readonly ttlFrom: 'use' | 'fetch'
  /** Bytes that content, index and unfinished downloads may take. */
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

type Limits = Pick<EvictionPolicy, 'maxSize' | 'minFree'>

/** A limit of the store. `share`: of what an upstream may take of it; `disk`: of what its disk can hold. */
export type Limit = 'maxSize' | 'minFree' | 'disk' | 'inodes' | 'share'

/**
 * Bytes to evict so that `room` more fit; 0 when they fit. `slack` is what is freed besides, as a share of
 * the limit.
 */
export function excessBytes(
  { bytes, indexBytes, partialBytes, disk }: StoreUsage,
  reserved: Reserved,
  { maxSize, minFree }: Limits,
  room = 0,
  slack = SLACK,
): number {
  const overQuota = bytes + indexBytes + partialBytes + reserved.bytes + room - maxSize
  const underFree = minFree + reserved.unwritten + room - disk.freeBytes
  return Math.max(
    overQuota > 0 ? overQuota + maxSize * slack : 0,
    underFree > 0 ? underFree + minFree * slack : 0,
  )
}

/**
 * Other programs need inodes too, and one image takes a dozen: this many stay free, or a twentieth of a small
 * disk.
 */
const MIN_FREE_INODES = 1_000

/** Objects to evict so that enough inodes are free; 0 when they are. */
export function excessInodes({ disk: { totalInodes, freeInodes } }: StoreUsage): number {
  return Math.max(0, Math.min(MIN_FREE_INODES, Math.ceil(totalInodes / 20)) - freeInodes)
}

/**
 * The limit that `room` more bytes would exceed even if all committed content were evicted.
 *
 * @returns undefined when they could fit
 */
export function exceededLimit(
  { bytes, indexBytes, partialBytes, disk }: StoreUsage,
  reserved: Reserved,
  { maxSize, minFree }: Limits,
  room: number,
): Limit | undefined {
  if (indexBytes + reserved.bytes + room > maxSize) return 'maxSize'
  const missing = reserved.unwritten + room - (disk.freeBytes + bytes + partialBytes)
  if (missing > 0) return 'disk'
  return missing + minFree > 0 ? 'minFree' : undefined
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

export interface Need {
  /** Bytes to free. */
  readonly bytes: number
  /** The part of them for which content in its grace period may go: bytes that have come. */
  readonly urgent: number
  /** Objects to remove, however small. */
  readonly objects?: number
}

/** The candidates to evict, in order. Content in its grace period comes last, and only for what is urgent. */
export function victims(
  candidates: readonly StoredContent[],
  { bytes, urgent, objects = 0 }: Need,
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
  let freed = 0
  for (const { content, inGrace } of ordered) {
    if (freed >= (inGrace ? urgent : bytes) && chosen.length >= objects) break
    chosen.push(content)
    freed += content.size
  }
  return chosen
}
