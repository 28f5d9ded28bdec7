import type { DestinationRepository, SessionProblem, UploadSession } from '../../ports/moving/destination.ts'
import { invalidAnswer, refusal } from '../failures.ts'
import { ABSENT } from '../repository-requests.ts'
import { discard, headerOf, type UpstreamRequest, type UpstreamResponse } from '../requests.ts'
import type { DestinationRepositoryOptions } from './destination-repository.ts'
import { sendChunk } from './send-chunk.ts'

type BlobUploads = Pick<
  DestinationRepository,
  'hasBlob' | 'mount' | 'begin' | 'append' | 'finish' | 'status' | 'abandon'
>

/** The requests of distribution-spec v1.1.1 "Pushing blobs". */
export function blobUploads(options: DestinationRepositoryOptions): BlobUploads {
  const { upstream, url, repository, transport, withinResponse: within } = options
  const root = `${url.origin}/v2/${repository}/blobs`

  /** A request of the session, or that begins one. */
  const ask = (request: Pick<UpstreamRequest, 'method' | 'url' | 'mountFrom' | 'signal'>) =>
    transport({
      kind: 'blob',
      repository,
      ...(request.method === 'POST' && { headers: { 'content-length': '0' } }),
      ...request,
    })

  const sessionIn = (response: UpstreamResponse, before: UploadSession): UploadSession => {
    const leastChunk = Number(headerOf(response, 'oci-chunk-min-length')) || before.leastChunk
    return {
      location: locationOf(response, before.location, upstream),
      offset: offsetIn(response) ?? before.offset,
      ...(leastChunk !== undefined && { leastChunk }),
    }
  }

  return {
    hasBlob: (digest, signal) =>
      within(async (signal) => {
        const head = await ask({ method: 'HEAD', url: new URL(`${root}/${digest}`), signal })
        // Some registries let people push who may not read. What cannot be known is not there.
        if (ABSENT.has(head.status) || isDenial(head)) return discard(head) ?? false
        if (head.status !== 200) throw await refusal(upstream, head)
        discard(head)
        return true
      }, signal),
    mount: (digest, from, signal) =>
      within(async (signal) => {
        const place = new URL(`${root}/uploads/`)
        place.search = `mount=${digest}&from=${encodeURIComponent(from)}`
        const response = await ask({ method: 'POST', url: place, mountFrom: from, signal })
        const { status } = response
        if (status === 201) return discard(response) ?? 'mounted'
        if (status === 202) return discard(response) ?? sessionIn(response, { location: place, offset: 0 })
        if (isDenial(response)) return discard(response) ?? 'denied'
        if (status >= 400 && status < 500 && status !== 429 && status !== 408) {
          return discard(response) ?? 'refused'
        }
        throw await refusal(upstream, response)
      }, signal),
    begin: (signal) =>
      within(async (signal) => {
        const place = new URL(`${root}/uploads/`)
        const response = await ask({ method: 'POST', url: place, signal })
        if (response.status !== 202) throw await refusal(upstream, response)
        discard(response)
        return sessionIn(response, { location: place, offset: 0 })
      }, signal),
    async append(session, chunk, signal) {
      const { location, offset } = session
      const range = `${offset}-${offset + chunk.size - 1}`
      const request = { kind: 'blob', method: 'PATCH', url: location, repository } as const
      const response = await sendChunk({ ...request, headers: { 'content-range': range } }, chunk, {
        ...options,
        signal,
      })
      if (offset === 0 && NO_CHUNKS.has(response.status)) return discard(response) ?? 'no chunks'
      const problem = await problemIn(response, upstream)
      return problem ?? sessionIn(response, { ...session, offset: offset + chunk.size })
    },
    async finish({ location, offset }, digest, chunk = NOTHING, signal) {
      const request = { kind: 'blob', method: 'PUT', url: withDigest(location, digest), repository } as const
      const range = chunk.size > 0 && offset > 0 ? `${offset}-${offset + chunk.size - 1}` : undefined
      const headers = range !== undefined && { headers: { 'content-range': range } }
      const response = await sendChunk({ ...request, ...headers }, chunk, { ...options, signal })
      return (await problemIn(response, upstream)) ?? 'done'
    },
    status: (session, signal) =>
      within(async (signal) => {
        const response = await ask({ method: 'GET', url: session.location, signal })
        const { status } = response
        if (status === 429 || status >= 500) throw await refusal(upstream, response)
        discard(response)
        if (status < 200 || status > 299) return 'lost'
        return sessionIn(response, { ...session, offset: 0 })
      }, signal),
    async abandon({ location }) {
      try {
        await within(async (signal) => discard(await ask({ method: 'DELETE', url: location, signal })))
      } catch {
        // A session that nobody uses ends by itself.
      }
    },
  }
}

const NOTHING = { size: 0, async *read(): AsyncGenerator<Buffer> {} }

function isDenial({ status }: UpstreamResponse): boolean {
  return status === 401 || status === 403
}

/** What the answer to bytes says of their session; undefined when they were taken. @throws RegistryError */
async function problemIn(response: UpstreamResponse, upstream: string): Promise<SessionProblem | undefined> {
  const { status } = response
  if (status >= 200 && status < 300) return discard(response)
  const known = PROBLEMS.get(status)
  if (known !== undefined) return discard(response) ?? known
  const error = await refusal(upstream, response)
  const reason = String(error.detail['reason'])
  if (status < 500 && reason === 'DIGEST_INVALID') return 'corrupt'
  if (status < 500 && (reason === 'BLOB_UPLOAD_INVALID' || reason === 'BLOB_UPLOAD_UNKNOWN')) return 'lost'
  if (status < 500 && reason === 'SIZE_INVALID') return 'misplaced'
  throw error
}

/** What registries say to the first chunk that want whole blobs. */
const NO_CHUNKS = new Set([400, 405, 411, 415, 501])

const PROBLEMS: ReadonlyMap<number, SessionProblem> = new Map([
  [404, 'lost'],
  [410, 'lost'],
  [413, 'too large'],
  [416, 'misplaced'],
])

/**
 * `Range: 0-<last byte>`; undefined where the answer does not say. distribution says `0-0` of no bytes, and of
 * one.
 */
function offsetIn(response: UpstreamResponse): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d{1,15})$/.exec(headerOf(response, 'range') ?? '') ?? []
  if (last === undefined) return undefined
  return last === '0' ? 0 : Number(last) + 1
}

function locationOf(response: UpstreamResponse, before: URL, upstream: string): URL {
  const text = headerOf(response, 'location')
  if (text === undefined || text === '') {
    if (before.pathname.endsWith('/uploads/')) throw invalidAnswer(upstream, 'upload without a location')
    return before
  }
  const location = URL.parse(text, response.url.href)
  const allowed = response.url.protocol === 'https:' ? ['https:'] : ['https:', 'http:']
  if (location === null || !allowed.includes(location.protocol)) {
    throw invalidAnswer(upstream, `upload at an unusable location, not below ${response.url.protocol}//`)
  }
  location.username = ''
  location.password = ''
  location.hash = ''
  return location
}

/** Signed queries stay as they are written. */
function withDigest(location: URL, digest: string): URL {
  const url = new URL(location)
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`
  return url
}
