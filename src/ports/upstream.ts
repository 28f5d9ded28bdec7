/**
 * What `cache/` and `download/` need from another registry. `undefined` = it does not exist there; a throw =
 * could not find out.
 */
import type { Descriptor, Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { ReferrerList } from '../oci/referrers.ts'
import type { TagList } from '../oci/tag-list.ts'
import type { ErrorDetail } from '../oci/errors.ts'
import type { Interval } from '../util/interval-set.ts'
import type { PageRequest, TagPage } from './repository.ts'

/**
 * The bytes of a blob as they arrive. Leaving the iteration early closes the connection. A caller that never
 * iterates must call `return`.
 */
export interface BlobBody extends AsyncIterable<Buffer> {
  /** Position of the first byte: 0, or what `Content-Range` says. It may differ from the requested range. */
  readonly start: number
  /** Size of the whole blob, where the upstream states it. */
  readonly total?: number
  /** A strong validator of the representation. Another value means other bytes. */
  readonly etag?: string
  /** The upstream offers byte ranges, or has just honoured one. */
  readonly ranges: boolean
  /** Who sends it is receiving it, so that it comes no sooner over several connections. */
  readonly isFollowed?: boolean
  /**
   * The same bytes, instead of the iteration, in memory that is used again: the last two chunks stay as they
   * are while the next one is waited for, and those before them do not. Whoever iterates calls `return` once
   * no chunk is used any more, after the last one too.
   */
  readonly reused?: AsyncIterable<Buffer>
}

/** `manifest` is set when the tag could only be resolved by fetching it. */
export interface ResolvedTag {
  readonly digest: Digest
  readonly manifest?: Manifest
}

/** The tags of one repository. */
export interface UpstreamTags {
  /** The whole list; 'too long' when it is more than is kept in memory, or takes longer than clients wait. */
  whole(signal?: AbortSignal): Promise<TagList | 'too long' | undefined>
  /** One page, of the upstream's own size, for lists that are too long. */
  page(page: PageRequest, signal?: AbortSignal): Promise<TagPage | undefined>
}

/**
 * One repository of one upstream.
 *
 * Every method throws RegistryError: UPSTREAM_DENIED (401, 403, after the token was refreshed once),
 * UPSTREAM_LIMITED (429), UPSTREAM_UNAVAILABLE (network, TLS, 5xx), UPSTREAM_TIMEOUT, UPSTREAM_INVALID (the
 * response contradicts itself or the request). `detail.upstream` is always set, `detail.status` where there
 * was a response.
 */
export interface UpstreamRepository {
  /** The upstream's rate limit is nearly used up. Callers keep the rest for content that is not cached. */
  readonly isNearlyExhausted: boolean
  /**
   * Milliseconds after which readers of a blob are promised it, if its manifest told its size, while the
   * upstream still works on it. Undefined: never, because it was not configured to take its time.
   */
  readonly promisesBlobsAfter: number | undefined
  /** One HEAD. One GET where HEAD is refused, says no digest, denies the tag, or was seen to be wrong. */
  resolve(tag: string, signal?: AbortSignal): Promise<ResolvedTag | undefined>
  /** One GET, where the digest that HEAD stated is not there: what comes by tag counts. */
  resolveByGet(tag: string, signal?: AbortSignal): Promise<ResolvedTag | undefined>
  /** The body hashes to `digest`, and its media type agrees with its content. */
  manifest(digest: Digest, signal?: AbortSignal): Promise<Manifest | undefined>
  /** HEAD. One ranged GET where HEAD is refused, says no length, denies the blob, or was seen to be wrong. */
  statBlob(digest: Digest, signal?: AbortSignal): Promise<Descriptor | undefined>
  /**
   * GET, of the whole blob without `range`. Throws RANGE_INVALID on 416. The iteration throws the same errors
   * as the call.
   */
  blob(digest: Digest, range?: Partial<Interval>, signal?: AbortSignal): Promise<BlobBody | undefined>
  readonly tags: UpstreamTags
  /** All that refer to `digest`, unfiltered; an empty list where nothing is known to. */
  referrers(digest: Digest, signal?: AbortSignal): Promise<ReferrerList>
}

export interface Upstream {
  /** Its name in the configuration. */
  readonly name: string
  /** As `UpstreamRepository.isNearlyExhausted`. */
  readonly isNearlyExhausted: boolean
  repository(name: string): UpstreamRepository
}

/** Whether an upstream as a whole gets requests. */
export interface UpstreamStatus {
  readonly state: 'up' | 'limited' | 'out' | 'offline'
  /** Epoch milliseconds. */
  readonly since: number
  /** What it said, or how it failed. Unset while it is up. */
  readonly reason?: ErrorDetail
}
