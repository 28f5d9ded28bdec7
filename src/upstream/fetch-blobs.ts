import { type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { BlobBody } from '../ports/upstream.ts'
import type { Interval } from '../util/interval-set.ts'
import { blobBody, type BlobBodyOptions, lengthOf, placeOf } from './body/blob-body.ts'
import { invalidAnswer, refusal } from './failures.ts'
import type { HeadHabits } from './head-habits.ts'
import { ABSENT, isEncoded, PASSING, type RepositoryRequests } from './repository-requests.ts'
import { discard, headerOf, type UpstreamResponse } from './requests.ts'

/**
 * Opens a blob, or a range of it. `received` is told the size of every chunk. A `Content-Encoding` is no
 * reason to refuse it: storage services label layers by their name (noobaa#9138), and the hash decides.
 */
export async function openBlob(
  requests: RepositoryRequests,
  digest: Digest,
  options: BlobBodyOptions & { readonly range: Partial<Interval> | undefined },
): Promise<BlobBody | undefined> {
  const { upstream } = requests
  const range = rangeHeader(options.range)
  const response = await getBlob(requests, digest, range, options.signal)
  if (ABSENT.has(response.status)) return discard(response)
  // Of who asked for no range, it is no answer, and clients would take it for one to theirs.
  if (response.status === 416 && range !== undefined) {
    discard(response)
    throw new RegistryError('RANGE_INVALID', { upstream, status: 416 })
  }
  if (response.status !== 200 && response.status !== 206) throw await refusal(upstream, response)
  const place = placeOf(response)
  if ('problem' in place) {
    response.body.destroy()
    throw invalidAnswer(upstream, place.problem)
  }
  if (place.total === 0 && !isOfNothing(digest)) {
    discard(response)
    throw new RegistryError('UPSTREAM_UNAVAILABLE', {
      upstream,
      status: response.status,
      reason: 'empty answer',
    })
  }
  return blobBody(upstream, response, place, options)
}

/**
 * The size of a blob in bytes: what HEAD says, unless it denies the blob or says no length that can be true.
 * Then GET decides.
 */
export async function statBlob(
  requests: RepositoryRequests,
  digest: Digest,
  { habits, signal }: { habits: HeadHabits; signal: AbortSignal },
): Promise<number | undefined> {
  const { upstream } = requests
  const isAsked = !habits.isOdd('blob')
  if (isAsked) {
    const head = await requests.head('blob', `blobs/${digest}`, { signal })
    discard(head)
    const size = head.status === 200 && !isEncoded(head) ? lengthOf(head) : undefined
    if (size !== undefined && (size > 0 || isOfNothing(digest))) {
      habits.right('blob')
      return size
    }
    if (PASSING.has(head.status)) throw await refusal(upstream, head)
  }
  const size = await statByRange(requests, digest, signal)
  if (isAsked && size !== undefined) habits.contradicted('blob')
  return size
}

/** A range of one byte also tells the size. If the whole blob comes instead, the connection is closed. */
async function statByRange(
  requests: RepositoryRequests,
  digest: Digest,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { upstream } = requests
  const response = await getBlob(requests, digest, 'bytes=0-0', signal)
  if (ABSENT.has(response.status)) return discard(response)
  // An empty blob has no byte 0.
  const isEmpty = response.status === 416 && headerOf(response, 'content-range') === 'bytes */0'
  if (![200, 206].includes(response.status) && !isEmpty) throw await refusal(upstream, response)
  response.body.destroy()
  const place = isEmpty ? { total: 0 } : placeOf(response)
  if ('problem' in place) throw invalidAnswer(upstream, place.problem)
  if (place.total === undefined) throw invalidAnswer(upstream, 'blob without a length')
  return place.total
}

/** The digest is that of an empty blob. */
export function isOfNothing(digest: Digest): boolean {
  return digestOf(Buffer.alloc(0), digest) === digest
}

function getBlob(
  requests: RepositoryRequests,
  digest: Digest,
  range: string | undefined,
  signal: AbortSignal,
): Promise<UpstreamResponse> {
  const headers = range === undefined ? undefined : { range }
  return requests.get('blob', `blobs/${digest}`, { ...(headers && { headers }), signal })
}

function rangeHeader({ start = 0, end }: Partial<Interval> = {}): string | undefined {
  if (start === 0 && end === undefined) return undefined
  return `bytes=${start}-${end === undefined ? '' : end - 1}`
}
