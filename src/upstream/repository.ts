import type { BodyRate } from './body/body-rate.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import { openBlob, statBlob } from './fetch-blobs.ts'
import { fetchManifest, resolveTag } from './fetch-manifests.ts'
import type { HeadHabits } from './head-habits.ts'
import type { WithTimeout } from './net/with-timeout.ts'
import type { ApiSupport } from './api-support.ts'
import type { ByRepository } from './by-repository.ts'
import { fetchReferrers } from './referrers.ts'
import { type RepositoryRequestsOptions, repositoryRequests } from './repository-requests.ts'
import type { RateBudget } from './resilience/rate-budget.ts'
import { fetchTagPage } from './tags/fetch-tag-page.ts'
import type { PageSize } from './tags/page-size.ts'
import type { ListRoom } from './tags/list-room.ts'
import type { TagSorter } from './tags/sorter.ts'
import { tagListing } from './tags/tag-listing.ts'

export interface RepositoryOptions extends RepositoryRequestsOptions {
  /** `response` bounds whole responses; `blob` bounds the time until the headers of a blob. */
  readonly deadlines: { readonly response: WithTimeout; readonly blob: WithTimeout }
  readonly budget: Pick<RateBudget, 'isNearlyExhausted'>
  /** Told the size of every piece of a body. */
  readonly received: (bytes: number) => void
  readonly allocated: (bytes: number) => void
  /** Of all blobs of this upstream together. */
  readonly rate?: BodyRate | undefined
  /** Learnt by all repositories of this upstream. */
  readonly learnt: LearntHabits
  readonly sorter: TagSorter
  readonly listRoom: ListRoom
  readonly promisesBlobsAfter: number | undefined
}

/** What an upstream does differently from others. */
export interface LearntHabits {
  readonly pageSize: PageSize
  readonly referrers: ByRepository<ApiSupport>
  readonly heads: ByRepository<HeadHabits>
}

/** One repository of one upstream, by the requests of distribution-spec v1.1.1. */
export function upstreamRepository(options: RepositoryOptions): UpstreamRepository {
  const { upstream, deadlines, budget, received, allocated, rate, learnt, sorter, listRoom } = options
  const { response: within, blob: withinBlob } = deadlines
  const habits = learnt.heads.of(options.repository)
  const requests = repositoryRequests(options)

  return {
    get isNearlyExhausted() {
      return budget.isNearlyExhausted
    },
    promisesBlobsAfter: options.promisesBlobsAfter,
    resolve: (tag, signal) => within((signal) => resolveTag(requests, tag, { habits, signal }), signal),
    async resolveByGet(tag, signal) {
      habits.contradicted('manifest')
      return within((signal) => resolveTag(requests, tag, { habits, signal }), signal)
    },
    manifest: (digest, signal) =>
      within((signal) => fetchManifest(requests, 'manifest', digest, signal), signal),
    async statBlob(digest, signal) {
      const size = await within((signal) => statBlob(requests, digest, { habits, signal }), signal)
      return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
    },
    blob: (digest, range, signal) =>
      withinBlob(
        (signal) => openBlob(requests, digest, { range, signal, received, allocated, rate }),
        signal,
      ),
    tags: tagListing({
      upstream,
      size: learnt.pageSize,
      sorter,
      ask: (query, signal) =>
        within((signal) => fetchTagPage(requests, query, { room: listRoom, sorter }, signal), signal),
    }),
    referrers: (digest, signal) =>
      within(
        (signal) =>
          fetchReferrers(
            requests,
            digest,
            { support: learnt.referrers.of(options.repository), habits },
            signal,
          ),
        signal,
      ),
  }
}
