import type { Descriptor, Manifest } from '../oci/descriptor.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Interval } from '../util/interval-set.ts'
import { essenceOf, MANIFEST_ACCEPT, OCI_INDEX, OCTET_STREAM } from '../oci/media-types.ts'
import type { Page, Referrers, TagPage } from '../ports/repository.ts'
import type { RequestKind, UpstreamTelemetry } from '../ports/telemetry.ts'
import type { BlobBody, ResolvedTag, UpstreamRepository } from '../ports/upstream.ts'
import type { MinorGc } from './body/minor-gc.ts'
import { type Answer, type Ask, discard, headerOf, type Question } from './requests.ts'
import { blobBody, lengthOf, placeOf } from './body/blob-body.ts'
import type { Bounded } from './net/with-timeout.ts'
import { failure, invalidAnswer, refusal } from './failures.ts'
import { LIMITS, readBody } from './body/limits.ts'
import { manifestOf } from './body/manifest-type.ts'
import type { RateBudget } from './resilience/rate-budget.ts'
import { parseTagPage } from './body/tag-page.ts'

export interface RepositoryOptions {
  readonly upstream: string
  readonly url: URL
  /** As the upstream names it. */
  readonly repository: string
  readonly ask: Ask
  readonly bounded: Bounded
  readonly telemetry: UpstreamTelemetry
  readonly budget: Pick<RateBudget, 'isNearlyExhausted'>
  readonly received: MinorGc
}

/** Not there, or not any more. */
const ABSENT = new Set([404, 410])
/** Said to a HEAD by registries that answer the GET. */
const HEAD_REFUSED = new Set([400, 405, 501])
/** Of blobs too where they live behind URLs signed for GET alone. */
const BLOB_HEAD_REFUSED = new Set([...HEAD_REFUSED, 401, 403])
/** Said by registries and gateways that do not know the referrers API. */
const NO_REFERRERS = new Set([...ABSENT, 400, 405, 406, 501])

/** One repository of one upstream, as the questions of distribution-spec v1.1.1. */
export function upstreamRepository(options: RepositoryOptions): UpstreamRepository {
  const { upstream, url, repository, bounded, telemetry } = options
  const root = `${url.pathname.replace(/\/$/, '')}/v2/${repository}`

  const ask = (
    kind: RequestKind,
    path: string,
    rest: Pick<Question, 'headers' | 'signal'> & { method?: 'HEAD' },
  ): Promise<Answer> =>
    options.ask({
      method: 'GET',
      ...rest,
      kind,
      url: new URL(`${root}/${path}`, url),
      scope: `repository:${repository}:pull`,
    })

  /** The body of a 200. */
  const read = async (answer: Answer, limit: number): Promise<Buffer> => {
    if (answer.status !== 200) throw await refusal(upstream, answer)
    refuseEncoded(upstream, answer)
    try {
      const body = await readBody(answer, limit)
      if (body === undefined) throw invalidAnswer(upstream, `answer longer than ${limit} bytes`)
      telemetry.received(upstream, body.length)
      return body
    } catch (error) {
      throw failure(upstream, error)
    }
  }

  const getManifest = async (
    kind: 'manifest' | 'tag',
    reference: string,
    signal: AbortSignal,
  ): Promise<Manifest | undefined> => {
    const answer = await ask(kind, `manifests/${reference}`, { headers: { accept: MANIFEST_ACCEPT }, signal })
    if (ABSENT.has(answer.status)) return discard(answer)
    const body = await read(answer, LIMITS.manifest)
    const stated = kind === 'manifest' ? reference : headerOf(answer, 'docker-content-digest')
    const expected = stated !== undefined && isDigest(stated) ? stated : undefined
    const manifest = manifestOf(body, headerOf(answer, 'content-type'), expected)
    if ('problem' in manifest) throw invalidAnswer(upstream, manifest.problem)
    return manifest
  }

  const resolve = async (tag: string, signal: AbortSignal): Promise<ResolvedTag | undefined> => {
    const headers = { accept: MANIFEST_ACCEPT }
    const head = await ask('tag', `manifests/${tag}`, { method: 'HEAD', headers, signal })
    discard(head)
    if (ABSENT.has(head.status)) return undefined
    const digest = headerOf(head, 'docker-content-digest') ?? ''
    if (head.status === 200 && isDigest(digest)) return { digest }
    if (head.status !== 200 && !HEAD_REFUSED.has(head.status)) throw await refusal(upstream, head)
    const manifest = await getManifest('tag', tag, signal)
    return manifest && { digest: manifest.descriptor.digest, manifest }
  }

  const getBlob = (digest: Digest, range: string | undefined, signal: AbortSignal): Promise<Answer> =>
    ask('blob', `blobs/${digest}`, { ...(range !== undefined && { headers: { range } }), signal })

  const openBlob = async (
    digest: Digest,
    range: Partial<Interval> | undefined,
    signal: AbortSignal,
  ): Promise<BlobBody | undefined> => {
    const answer = await getBlob(digest, rangeHeader(range), signal)
    if (ABSENT.has(answer.status)) return discard(answer)
    if (answer.status === 416) {
      discard(answer)
      throw new RegistryError('RANGE_INVALID', { upstream, status: 416 })
    }
    if (answer.status !== 200 && answer.status !== 206) throw await refusal(upstream, answer)
    refuseEncoded(upstream, answer)
    const place = placeOf(answer)
    if ('problem' in place) {
      answer.body.destroy()
      throw invalidAnswer(upstream, place.problem)
    }
    return blobBody(upstream, answer, place, telemetry, options.received)
  }

  const sizeOfBlob = async (digest: Digest, signal: AbortSignal): Promise<number | undefined> => {
    const head = await ask('blob', `blobs/${digest}`, { method: 'HEAD', signal })
    discard(head)
    if (ABSENT.has(head.status)) return undefined
    if (head.status === 200) {
      refuseEncoded(upstream, head)
      const size = lengthOf(head)
      if (size !== undefined) return size
    } else if (!BLOB_HEAD_REFUSED.has(head.status)) {
      throw await refusal(upstream, head)
    }
    return sizeByGet(digest, signal)
  }

  /** One byte tells the size as well; where it comes with all the others the connection is closed. */
  const sizeByGet = async (digest: Digest, signal: AbortSignal): Promise<number | undefined> => {
    const answer = await getBlob(digest, 'bytes=0-0', signal)
    if (ABSENT.has(answer.status)) return discard(answer)
    // An empty blob has no byte 0.
    const empty = answer.status === 416 && headerOf(answer, 'content-range') === 'bytes */0'
    if (![200, 206].includes(answer.status) && !empty) throw await refusal(upstream, answer)
    refuseEncoded(upstream, answer)
    answer.body.destroy()
    const place = empty ? { total: 0 } : placeOf(answer)
    if ('problem' in place) throw invalidAnswer(upstream, place.problem)
    if (place.total === undefined) throw invalidAnswer(upstream, 'blob without a length')
    return place.total
  }

  const listTags = async (page: Page, signal: AbortSignal): Promise<TagPage | undefined> => {
    const query = new URLSearchParams()
    if (page.n !== undefined) query.set('n', String(page.n))
    if (page.last !== undefined) query.set('last', page.last)
    const answer = await ask('tags', `tags/list${query.size > 0 ? `?${query}` : ''}`, { signal })
    if (ABSENT.has(answer.status)) return discard(answer)
    const list = parseTagPage(await read(answer, LIMITS.tags), headerOf(answer, 'link'), page)
    if (list === undefined) throw invalidAnswer(upstream, 'no tag list')
    return list
  }

  const listReferrers = async (
    digest: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> => {
    const query = artifactType === undefined ? '' : `?${new URLSearchParams({ artifactType })}`
    const answer = await ask('referrers', `referrers/${digest}${query}`, { signal })
    if (NO_REFERRERS.has(answer.status)) return discard(answer)
    const body = await read(answer, LIMITS.manifest)
    const type = essenceOf(headerOf(answer, 'content-type'))
    if (type !== OCI_INDEX || 'problem' in manifestOf(body, type)) {
      throw invalidAnswer(upstream, 'no index of referrers')
    }
    const filters = headerOf(answer, 'oci-filters-applied')?.split(',') ?? []
    return { body, filtered: filters.some((filter) => filter.trim() === 'artifactType') }
  }

  return {
    get isNearlyExhausted() {
      return options.budget.isNearlyExhausted
    },
    resolve: (tag, signal) => bounded((signal) => resolve(tag, signal), signal),
    manifest: (digest, signal) => bounded((signal) => getManifest('manifest', digest, signal), signal),
    async statBlob(digest, signal): Promise<Descriptor | undefined> {
      const size = await bounded((signal) => sizeOfBlob(digest, signal), signal)
      return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
    },
    // Bounded until its headers are there: the body takes the time it takes.
    blob: (digest, range, signal) => bounded((signal) => openBlob(digest, range, signal), signal),
    tags: (page, signal) => bounded((signal) => listTags(page, signal), signal),
    referrers: (digest, artifactType, signal) =>
      bounded((signal) => listReferrers(digest, artifactType, signal), signal),
  }
}

function rangeHeader(range: Partial<Interval> | undefined): string | undefined {
  const { start = 0, end } = range ?? {}
  return start === 0 && end === undefined ? undefined : `bytes=${start}-${end === undefined ? '' : end - 1}`
}

/** We asked for `identity`. Decoding would be a bomb's way in; passed on as it is, lengths and ranges would mean something else. */
function refuseEncoded(upstream: string, answer: Answer): void {
  const encoding = headerOf(answer, 'content-encoding')
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  answer.body.destroy()
  throw invalidAnswer(upstream, 'encoded content', answer.status)
}
