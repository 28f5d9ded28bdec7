import { OCTET_STREAM } from '../oci/media-types.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import { openBlob, statBlob } from './fetch-blobs.ts'
import { fetchReferrers, fetchTags } from './fetch-lists.ts'
import { fetchManifest, resolveTag } from './fetch-manifests.ts'
import type { WithTimeout } from './net/with-timeout.ts'
import { type RepositoryRequestsOptions, repositoryRequests } from './repository-requests.ts'
import type { RateBudget } from './resilience/rate-budget.ts'

export interface RepositoryOptions extends RepositoryRequestsOptions {
  /** `response` bounds whole responses; `blob` bounds the time until the headers of a blob. */
  readonly deadlines: { readonly response: WithTimeout; readonly blob: WithTimeout }
  readonly budget: Pick<RateBudget, 'isNearlyExhausted'>
  /** Told the size of every chunk of a blob. */
  readonly received: (bytes: number) => void
}

/** One repository of one upstream, by the requests of distribution-spec v1.1.1. */
export function upstreamRepository(options: RepositoryOptions): UpstreamRepository {
  const { deadlines, budget, received } = options
  const { response: within, blob: withinBlob } = deadlines
  const requests = repositoryRequests(options)

  return {
    get isNearlyExhausted() {
      return budget.isNearlyExhausted
    },
    resolve: (tag, signal) => within((signal) => resolveTag(requests, tag, signal), signal),
    manifest: (digest, signal) =>
      within((signal) => fetchManifest(requests, 'manifest', digest, signal), signal),
    async statBlob(digest, signal) {
      const size = await within((signal) => statBlob(requests, digest, signal), signal)
      return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
    },
    blob: (digest, range, signal) =>
      withinBlob((signal) => openBlob(requests, digest, { range, signal, received }), signal),
    tags: (page, signal) => within((signal) => fetchTags(requests, page, signal), signal),
    referrers: (digest, artifactType, signal) =>
      within((signal) => fetchReferrers(requests, digest, artifactType, signal), signal),
  }
}
