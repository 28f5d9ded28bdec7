import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { BlobBody } from '../ports/upstream.ts'
import type { Interval } from '../util/interval-set.ts'
import { blobBody, lengthOf, placeOf } from './body/blob-body.ts'
import { invalidAnswer, refusal } from './failures.ts'
import { ABSENT, HEAD_REFUSED, refuseEncoded, type RepositoryRequests } from './repository-requests.ts'
import { discard, headerOf, type UpstreamResponse } from './requests.ts'

/** A HEAD also gets these where blobs live behind URLs that are signed for GET only. */
const BLOB_HEAD_REFUSED = new Set([...HEAD_REFUSED, 401, 403])

/** Opens a blob, or a range of it. `received` is told the size of every chunk. */
export async function openBlob(
  requests: RepositoryRequests,
  digest: Digest,
  options: { range?: Partial<Interval>; signal: AbortSignal; received: (bytes: number) => void },
): Promise<BlobBody | undefined> {
  const { upstream } = requests
  const response = await getBlob(requests, digest, rangeHeader(options.range), options.signal)
  if (ABSENT.has(response.status)) return discard(response)
  if (response.status === 416) {
    discard(response)
    throw new RegistryError('RANGE_INVALID', { upstream, status: 416 })
  }
  if (response.status !== 200 && response.status !== 206) throw await refusal(upstream, response)
  refuseEncoded(upstream, response)
  const place = placeOf(response)
  if ('problem' in place) {
    response.body.destroy()
    throw invalidAnswer(upstream, place.problem)
  }
  return blobBody(upstream, response, place, options.received)
}

/** The size of a blob in bytes. */
export async function statBlob(
  requests: RepositoryRequests,
  digest: Digest,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { upstream } = requests
  const head = await requests.head('blob', `blobs/${digest}`, { signal })
  discard(head)
  if (ABSENT.has(head.status)) return undefined
  if (head.status === 200) {
    refuseEncoded(upstream, head)
    const size = lengthOf(head)
    if (size !== undefined) return size
  } else if (!BLOB_HEAD_REFUSED.has(head.status)) {
    throw await refusal(upstream, head)
  }
  return statByRange(requests, digest, signal)
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
  refuseEncoded(upstream, response)
  response.body.destroy()
  const place = isEmpty ? { total: 0 } : placeOf(response)
  if ('problem' in place) throw invalidAnswer(upstream, place.problem)
  if (place.total === undefined) throw invalidAnswer(upstream, 'blob without a length')
  return place.total
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
