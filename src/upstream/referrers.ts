import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { essenceOf, OCI_INDEX } from '../oci/media-types.ts'
import {
  type Referrer,
  type ReferrerList,
  referrerList,
  referrersIn,
  referrersTag,
} from '../oci/referrers.ts'
import { type ApiSupport, UNKNOWN_API } from './api-support.ts'
import { LIMITS } from './body/limits.ts'
import { invalidAnswer, refusal } from './failures.ts'
import { fetchManifest, resolveTag } from './fetch-manifests.ts'
import type { HeadHabits } from './head-habits.ts'
import type { RepositoryRequests } from './repository-requests.ts'
import { discard, headerOf, type UpstreamResponse } from './requests.ts'
import { nextPage } from './tags/next-page.ts'

/** Codes of a 404 that speak of what was asked for, not of the API. */
const ABSENT_CODES = new Set(['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'NOT_FOUND'])

/** Gateways in front of registries lose the type. */
const MAY_BE_INDEX = new Set([OCI_INDEX, 'application/json', undefined])

const typeOf = (response: UpstreamResponse): string | undefined =>
  essenceOf(headerOf(response, 'content-type'))

/**
 * Fetches who refers to a manifest: what the API says; where there is none, what the fallback tag lists. A
 * page that asks people to log in is no API either (oras-go#633).
 */
export async function fetchReferrers(
  requests: RepositoryRequests,
  digest: Digest,
  { support, habits }: { support: ApiSupport; habits: HeadHabits },
  signal: AbortSignal,
): Promise<ReferrerList> {
  const listed = support.isMissing ? undefined : await fromApi(requests, digest, support, signal)
  return listed ?? fromTag(requests, digest, habits, signal)
}

async function fromTag(
  requests: RepositoryRequests,
  digest: Digest,
  habits: HeadHabits,
  signal: AbortSignal,
): Promise<ReferrerList> {
  // Empty referrers are forgotten soon, and asked for at every pull: a HEAD has to do.
  const options = { habits, signal, believesAbsence: true }
  const resolved = await resolveTag(requests, referrersTag(digest), options)
  const manifest =
    resolved &&
    (resolved.manifest ??
      (await fetchManifest(requests, 'manifest', resolved.digest, signal)) ??
      // The tag moved meanwhile, or HEAD says a digest that cannot be fetched (FR-09).
      (await fetchManifest(requests, 'tag', referrersTag(digest), signal)))
  return referrerList((manifest && referrersIn(manifest.body)) ?? [])
}

/** @returns undefined where there is no API */
async function fromApi(
  requests: RepositoryRequests,
  digest: Digest,
  support: ApiSupport,
  signal: AbortSignal,
): Promise<ReferrerList | undefined> {
  const { upstream } = requests
  const found: Referrer[] = []
  const seen = new Set<string>()
  let bytes = 0
  for (let query = ''; ;) {
    const response = await askApi(requests, `referrers/${digest}${query && `?${query}`}`, support, signal)
    if (response === undefined) return undefined
    const body = await requests.read(response, LIMITS.manifest)
    const page = referrersIn(body)
    if (page === undefined) {
      if (typeOf(response) === OCI_INDEX) throw invalidAnswer(upstream, 'no index of referrers')
      support.missing()
      return undefined
    }
    support.worked()
    found.push(...page)
    bytes += body.length
    const next = nextPage(headerOf(response, 'link'), undefined)
    if (next === undefined) return referrerList(found)
    if (next === 'unusable' || seen.has(next.query)) {
      throw invalidAnswer(upstream, 'list of referrers with an unusable link to its next page')
    }
    if (bytes > LIMITS.manifest)
      throw invalidAnswer(upstream, `more than ${LIMITS.manifest} bytes of referrers`)
    seen.add(next.query)
    query = next.query
  }
}

/** A response of 200 that may be an index; undefined where there is no API. */
async function askApi(
  requests: RepositoryRequests,
  path: string,
  support: ApiSupport,
  signal: AbortSignal,
): Promise<UpstreamResponse | undefined> {
  const { upstream } = requests
  const response = await requests.get('referrers', path, { signal }).catch((error: unknown) => {
    // A redirect that leads nowhere, in circles, or where we do not go.
    if (isRegistryError(error, 'UPSTREAM_INVALID')) return undefined
    throw error
  })
  if (response === undefined) return undefined
  const { status } = response
  if (status === 200 && MAY_BE_INDEX.has(typeOf(response))) return response
  if (status === 200 || response.url.origin !== requests.origin) discard(response)
  else if (!UNKNOWN_API.has(status)) throw await refusal(upstream, response)
  else if (ABSENT_CODES.has(String((await refusal(upstream, response)).detail['reason']))) return undefined
  support.missing()
  return undefined
}
