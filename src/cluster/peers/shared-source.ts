import { setTimeout as sleep } from 'node:timers/promises'
import type { Source } from '../../download/download-request.ts'
import type { Digest } from '../../oci/digest.ts'
import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { SharedDownload } from '../../ports/cluster.ts'
import type { RemoteBlobs } from '../../ports/remote-blobs.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { Interval } from '../../util/interval-set.ts'
import { EXPIRY, type Leases } from '../leases.ts'
import type { Peers } from './peers.ts'

export interface SharedSourceOptions {
  readonly leases: Pick<Leases, 'claim' | 'release'>
  readonly peers: Peers
  readonly remote: RemoteBlobs
  /** Settles when a blob that was committed here can be read by the others. */
  readonly uploaded: (digest: Digest) => Promise<void>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

type Range = Partial<Interval> | undefined

/** Milliseconds between two looks at a lease whose holder does not answer. */
const LOOK_EVERY = 200
/** Milliseconds after which nobody waits for a holder that does not answer: its lease should have moved. */
const PATIENCE = EXPIRY + 1_000

/**
 * A blob of an upstream, which only one replica reads at a time: the holder of its lease. The others read along
 * from the holder, and go on at their byte from whoever holds the lease next, which may be themselves. What
 * has come to be stored meanwhile is read from there.
 *
 * Where the bytes come from decides nothing: they are hashed by whoever receives them.
 */
export function sharedSource(
  { leases, peers, remote, uploaded, now }: SharedSourceOptions,
  { repository, digest, expectedSize: size, mayRead, mayReadStored }: SharedDownload,
  upstream: Source,
): Source {
  const key = `blob ${repository.upstream} ${digest}`
  let isHeld = false
  /** Whether the blob was looked for among what is stored, since the lease was claimed. */
  let isStored: boolean | undefined

  return {
    async open(range, signal) {
      const giveUpAt = now() + PATIENCE
      for (;;) {
        if (isHeld) return openOwn(range, signal)
        const claim = await leases.claim(key, repository.name)
        if (claim === undefined) return upstream.open(range, signal)
        if (claim === 'own') {
          // Another connection of this download may have claimed it meanwhile.
          if (isHeld) await leases.release(key)
          isHeld = true
          continue
        }
        if (claim.detail !== repository.name && !(await mayRead())) return undefined
        const body = await openAlong(claim.address, range, signal)
        if (body !== undefined) return body
        if (now() > giveUpAt) return upstream.open(range, signal)
        // Node's own abort of a timer would be an error of no kind that readers know.
        await sleep(LOOK_EVERY * (0.5 + Math.random()), undefined, { signal }).catch(() =>
          signal.throwIfAborted(),
        )
      }
    },
    async released() {
      if (!isHeld) return
      isHeld = false
      await uploaded(digest)
      await leases.release(key)
    },
  }

  /** Another replica may have stored it just before this one claimed the lease. */
  async function openOwn(range: Range, signal: AbortSignal): Promise<BlobBody | undefined> {
    isStored ??= await isInReach()
    if (isStored) {
      const body = await remote.open(digest, range, signal).catch(unlessRange)
      if (body !== undefined) return body
      isStored = false
    }
    return upstream.open(range, signal)
  }

  async function isInReach(): Promise<boolean> {
    const found = await remote.stat(digest).catch(unlessRange)
    return found !== undefined && mayReadStored()
  }

  /** @returns undefined when the holder does not answer, or does not have it any more */
  async function openAlong(
    address: string,
    range: Range,
    signal: AbortSignal,
  ): Promise<BlobBody | undefined> {
    try {
      return await peers.open(address, { upstream: repository.upstream, digest, size }, range, signal)
    } catch (error) {
      if (signal.aborted || !isRegistryError(error)) throw error
      return undefined
    }
  }
}

function unlessRange(error: unknown): undefined {
  if (!(error instanceof RegistryError) || error.code === 'RANGE_INVALID') throw error
  return undefined
}
