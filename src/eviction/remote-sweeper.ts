import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { RemoteBlob, RemoteBlobs } from '../ports/remote-blobs.ts'

export interface RemoteSweeperOptions {
  readonly remote: RemoteBlobs
  readonly policy: {
    /** Milliseconds; what was not used for so long is removed, */
    readonly ttl: number
    /** or not fetched. */
    readonly ttlFrom: 'use' | 'fetch'
  }
  /** Bytes; undefined: no limit. */
  readonly maxSize: number | undefined
  /** When this replica last used each of these, in epoch milliseconds, as far as it has them. */
  readonly lastUses: (digests: readonly Digest[]) => Promise<ReadonlyMap<Digest, number>>
  /** Content that is never removed. */
  readonly kept: () => Promise<ReadonlySet<Digest>>
  /** Whether this replica is the one that removes. Asked once a sweep. */
  readonly mayRemove: () => Promise<boolean>
  /** These were removed. */
  readonly removed: (digests: readonly Digest[], reason: 'ttl' | 'quota') => Promise<void>
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface RemoteUsage {
  readonly objects: number
  readonly bytes: number
  /** Of what is never removed. They may exceed the limit. */
  readonly keptBytes: number
}

/** A store over its limit is brought down to this share of it. */
const LOW_WATERMARK = 0.95
const HOUR = 3_600_000

/**
 * Removes from the remote store what nobody has used for long, and the longest unused of what is too much.
 *
 * The date of an object says when it was last used, roughly: each replica touches what it still uses when the
 * date is older than half the time to live, and what it keeps. So no replica needs to know what the others have, and nothing
 * about it has to be kept.
 */
export function remoteSweeper(options: RemoteSweeperOptions): { sweep(): Promise<RemoteUsage> } {
  const { remote, policy, maxSize, lastUses, kept, mayRemove, removed, now } = options

  return {
    async sweep() {
      const keep = await kept()
      const mayRemoveNow = await mayRemove()
      const expiredBefore = now() - policy.ttl
      let objects = 0
      let bytes = 0
      let keptBytes = 0
      /** Bytes by the hour of their last use. */
      const byHour = new Map<number, number>()
      for await (const page of remote.list()) {
        const touched = await touch(page, keep)
        const isExpired = ({ digest, storedAt }: RemoteBlob): boolean =>
          storedAt < expiredBefore && !touched.has(digest) && !keep.has(digest)
        const expired = mayRemoveNow ? page.filter(isExpired) : []
        await remove(expired, 'ttl')
        for (const blob of page) {
          if (expired.includes(blob)) continue
          objects += 1
          bytes += blob.size
          if (keep.has(blob.digest)) {
            keptBytes += blob.size
            continue
          }
          const hour = Math.floor((touched.has(blob.digest) ? now() : blob.storedAt) / HOUR)
          byHour.set(hour, (byHour.get(hour) ?? 0) + blob.size)
        }
      }
      if (maxSize === undefined || bytes <= maxSize || !mayRemoveNow) return { objects, bytes, keptBytes }
      const freed = await removeOldest(bytes - maxSize * LOW_WATERMARK, byHour, keep)
      return { objects: objects - freed.objects, bytes: bytes - freed.bytes, keptBytes }
    },
  }

  /** Touches what is still used, or kept: the replica that removes may not know of it. @returns what was touched */
  async function touch(page: readonly RemoteBlob[], keep: ReadonlySet<Digest>): Promise<ReadonlySet<Digest>> {
    const old = page.filter(({ storedAt }) => storedAt < now() - policy.ttl / 2)
    if (old.length === 0) return new Set()
    const uses: ReadonlyMap<Digest, number> =
      policy.ttlFrom === 'fetch' ? new Map() : await lastUses(old.map(({ digest }) => digest))
    const used = old.filter(
      ({ digest, storedAt }) => keep.has(digest) || (uses.get(digest) ?? -Infinity) > storedAt + HOUR,
    )
    for (const { digest } of used) {
      // One that cannot be touched, such as one too large to be copied, keeps its place: the others go on.
      await remote.touch(digest).catch((error: unknown) => {
        if (!isRegistryError(error)) throw error
      })
    }
    return new Set(used.map(({ digest }) => digest))
  }

  async function removeOldest(
    excess: number,
    byHour: ReadonlyMap<number, number>,
    keep: ReadonlySet<Digest>,
  ): Promise<Omit<RemoteUsage, 'keptBytes'>> {
    let planned = 0
    let last = -Infinity
    for (const [hour, size] of [...byHour].toSorted(([a], [b]) => a - b)) {
      if (planned >= excess) break
      planned += size
      last = hour
    }
    const freed = { objects: 0, bytes: 0 }
    for await (const page of remote.list()) {
      const chosen: RemoteBlob[] = []
      for (const blob of page) {
        if (freed.bytes >= excess) break
        if (keep.has(blob.digest) || Math.floor(blob.storedAt / HOUR) > last) continue
        chosen.push(blob)
        freed.objects += 1
        freed.bytes += blob.size
      }
      await remove(chosen, 'quota')
      if (freed.bytes >= excess) break
    }
    return freed
  }

  async function remove(blobs: readonly RemoteBlob[], reason: 'ttl' | 'quota'): Promise<void> {
    if (blobs.length === 0) return
    const digests = blobs.map(({ digest }) => digest)
    await remote.delete(...digests)
    await removed(digests, reason)
  }
}
