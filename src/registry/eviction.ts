import type { Digest } from '../oci/digest.ts'
import type { StoredContent, StoreUsage } from '../oci/indexes.ts'

export interface EvictionPolicy {
  /** Milliseconds after its last use that content is kept. */
  readonly ttl: number
  /** Bytes of committed content to stay under. */
  readonly maxSize: number
  /** Bytes of the disk to leave free. */
  readonly minFree: number
}

export interface Eviction {
  readonly digest: Digest
  readonly size: number
  readonly reason: 'ttl' | 'quota'
}

/** Eviction for space goes on to this share of `maxSize`, so that it happens now and then and not at every write. */
const LOW_WATERMARK = 0.95

/**
 * What of `oldest` (the longest unused first) has to go at `now` so that nothing is kept past its time and `room` more bytes fit.
 * A last use in the future was noted under another clock: such content has not expired, and goes for space in its turn.
 */
export function planEviction(
  oldest: readonly StoredContent[],
  usage: StoreUsage,
  policy: EvictionPolicy,
  now: number,
  room = 0,
): readonly Eviction[] {
  let excess = excessBytes(usage, policy, room)
  const plan: Eviction[] = []
  for (const { digest, size, lastUsed } of oldest) {
    const expired = now - lastUsed > policy.ttl
    if (!expired && excess <= 0) break
    plan.push({ digest, size, reason: expired ? 'ttl' : 'quota' })
    excess -= size
  }
  return plan
}

function excessBytes(
  { bytes, freeBytes }: StoreUsage,
  { maxSize, minFree }: EvictionPolicy,
  room: number,
): number {
  const overQuota = bytes + room > maxSize ? bytes + room - maxSize * LOW_WATERMARK : 0
  const underFree = Math.max(0, minFree + room - freeBytes)
  return Math.max(overQuota, underFree)
}
