/** What `registry/` needs of a registry elsewhere. Same rule as the stores: `undefined` = does not exist, a throw = could not find out. */
import type { Descriptor, Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Interval } from '../util/interval-set.ts'
import type { Page, Referrers, TagPage } from './repository.ts'

/** A blob's bytes as they arrive. Leaving the loop early closes the connection; who does not read it has to close it by `return`. */
export interface BlobBody extends AsyncIterable<Buffer> {
  /** Where the first byte belongs: 0, or what `Content-Range` says. Not always what was asked for. */
  readonly start: number
  /** Of the whole blob, where upstream says it. */
  readonly total?: number
  /** A strong validator of the representation; another one means other bytes. */
  readonly etag?: string
  /** Upstream offers byte ranges, or was just seen to honour one. */
  readonly ranges: boolean
}

/** `manifest` is there when the tag could only be resolved by fetching it. */
export interface ResolvedTag {
  readonly digest: Digest
  readonly manifest?: Manifest
}

/**
 * One repository of one upstream.
 *
 * All methods throw RegistryError UPSTREAM_DENIED (401, 403 after one refresh of the token), UPSTREAM_LIMITED (429),
 * UPSTREAM_UNAVAILABLE (network, TLS, 5xx), UPSTREAM_TIMEOUT, UPSTREAM_INVALID (an answer that contradicts itself or the question),
 * each with `detail.upstream` and, where there was one, `detail.status`.
 */
export interface UpstreamRepository {
  /** Upstream will soon answer no more: what it still answers is to be kept for what is not cached. */
  readonly isScarce: boolean
  /** One HEAD; a GET where HEAD is refused or comes without a digest. */
  resolve(tag: string, signal?: AbortSignal): Promise<ResolvedTag | undefined>
  /** The body's hash is `digest`, its media type agrees with its content. */
  manifest(digest: Digest, signal?: AbortSignal): Promise<Manifest | undefined>
  /** HEAD. */
  statBlob(digest: Digest, signal?: AbortSignal): Promise<Descriptor | undefined>
  /** GET. Without `range` the whole. @throws also RANGE_INVALID when upstream answers 416. Iteration throws like the call. */
  blob(digest: Digest, range?: Partial<Interval>, signal?: AbortSignal): Promise<BlobBody | undefined>
  tags(page: Page, signal?: AbortSignal): Promise<TagPage | undefined>
  referrers(digest: Digest, artifactType?: string, signal?: AbortSignal): Promise<Referrers | undefined>
}

export interface Upstream {
  readonly name: string
  /** As of each of its repositories. */
  readonly isScarce: boolean
  repository(name: string): UpstreamRepository
}
