import type { Digest } from '../oci/digest.ts'
import { essenceOf, OCI_INDEX } from '../oci/media-types.ts'
import type { PageRequest, Referrers, TagPage } from '../ports/repository.ts'
import { LIMITS } from './body/limits.ts'
import { manifestOf } from './body/manifest-type.ts'
import { parseTagPage } from './body/tag-page.ts'
import { invalidAnswer } from './failures.ts'
import { ABSENT, type RepositoryRequests } from './repository-requests.ts'
import { discard, headerOf } from './requests.ts'

/** Registries and gateways without the referrers API send these. */
const NO_REFERRERS = new Set([...ABSENT, 400, 405, 406, 501])

/** Fetches one page of the tag list. */
export async function fetchTags(
  requests: RepositoryRequests,
  page: PageRequest,
  signal: AbortSignal,
): Promise<TagPage | undefined> {
  const query = new URLSearchParams()
  if (page.n !== undefined) query.set('n', String(page.n))
  if (page.last !== undefined) query.set('last', page.last)
  const path = `tags/list${query.size > 0 ? `?${query}` : ''}`
  const response = await requests.get('tags', path, { signal })
  if (ABSENT.has(response.status)) return discard(response)
  const body = await requests.read(response, LIMITS.tags)
  const list = parseTagPage(body, headerOf(response, 'link'), page)
  if (list === undefined) throw invalidAnswer(requests.upstream, 'no tag list')
  return list
}

/** Fetches the index of referrers. Returns undefined where the upstream has no referrers API. */
export async function fetchReferrers(
  requests: RepositoryRequests,
  digest: Digest,
  artifactType: string | undefined,
  signal: AbortSignal,
): Promise<Referrers | undefined> {
  const query = artifactType === undefined ? '' : `?${new URLSearchParams({ artifactType })}`
  const response = await requests.get('referrers', `referrers/${digest}${query}`, { signal })
  if (NO_REFERRERS.has(response.status)) return discard(response)
  const body = await requests.read(response, LIMITS.manifest)
  const type = essenceOf(headerOf(response, 'content-type'))
  if (type !== OCI_INDEX || 'problem' in manifestOf(body, type)) {
    throw invalidAnswer(requests.upstream, 'no index of referrers')
  }
  const filters = headerOf(response, 'oci-filters-applied')?.split(',') ?? []
  return { body, filtered: filters.some((filter) => filter.trim() === 'artifactType') }
}
