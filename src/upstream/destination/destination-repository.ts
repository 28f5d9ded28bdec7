import type { DestinationRepository } from '../../ports/moving/destination.ts'
import { isDigest } from '../../oci/digest.ts'
import { MANIFEST_ACCEPT } from '../../oci/media-types.ts'
import { invalidAnswer, refusal } from '../failures.ts'
import { fetchManifest } from '../fetch-manifests.ts'
import type { HeadHabits } from '../head-habits.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import type { ApiSupport } from '../api-support.ts'
import type { ByRepository } from '../by-repository.ts'
import { fetchReferrers } from '../referrers.ts'
import { ABSENT, repositoryRequests } from '../repository-requests.ts'
import { discard, headerOf, type Transport } from '../requests.ts'
import { blobUploads } from './blob-uploads.ts'

export interface DestinationRepositoryOptions {
  /** The destination's authority. */
  readonly upstream: string
  readonly url: URL
  readonly repository: string
  readonly transport: Transport
  readonly withinResponse: WithTimeout
  /** Milliseconds: see `DestinationTimeouts`. */
  readonly idle: number
  readonly commit: number
  /** Learnt by all repositories of this destination. */
  readonly learnt: {
    readonly referrers: ByRepository<ApiSupport>
    readonly heads: ByRepository<HeadHabits>
  }
}

/** One repository of a destination, by the requests of distribution-spec v1.1.1. */
export function destinationRepository(options: DestinationRepositoryOptions): DestinationRepository {
  const { upstream, url, repository, transport, withinResponse: within, learnt } = options
  const requests = repositoryRequests({ upstream, url, repository, transport, received() {} })
  const root = `${url.origin}/v2/${repository}`

  return {
    name: repository,
    ...blobUploads(options),
    resolve: (reference, signal) =>
      within(async (signal) => {
        const headers = { accept: MANIFEST_ACCEPT }
        const head = await requests.head('manifest', `manifests/${reference}`, { headers, signal })
        if (ABSENT.has(head.status)) return discard(head)
        if (head.status !== 200) throw await refusal(upstream, head)
        discard(head)
        const digest = headerOf(head, 'docker-content-digest')
        if (digest !== undefined && isDigest(digest)) return digest
        if (isDigest(reference)) return reference
        return (await fetchManifest(requests, 'tag', reference, signal))?.descriptor.digest
      }, signal),
    manifest: (reference, signal) =>
      within(
        (signal) => fetchManifest(requests, isDigest(reference) ? 'manifest' : 'tag', reference, signal),
        signal,
      ),
    putManifest: (reference, { body, descriptor }, signal) =>
      within(async (signal) => {
        const response = await transport({
          kind: 'manifest',
          method: 'PUT',
          url: new URL(`${root}/manifests/${reference}`),
          headers: { 'content-type': descriptor.mediaType },
          body,
          repository,
          signal,
        })
        if (response.status < 200 || response.status > 299) throw await refusal(upstream, response)
        discard(response)
        const stored = headerOf(response, 'docker-content-digest')
        if (stored !== undefined && stored !== descriptor.digest) {
          throw invalidAnswer(upstream, 'the manifest was stored under another digest', response.status)
        }
        return { isListed: headerOf(response, 'oci-subject') !== undefined }
      }, signal),
    referrers: (digest, signal) =>
      within(
        (signal) =>
          fetchReferrers(
            requests,
            digest,
            { support: learnt.referrers.of(repository), habits: learnt.heads.of(repository) },
            signal,
          ),
        signal,
      ),
  }
}
