import type { Descriptor } from '../../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCTET_STREAM } from '../../../src/oci/media-types.ts'
import { parseContentRange } from '../../../src/upstream/body/content-range.ts'
import { parseRange } from '../../../src/http/headers/range.ts'
import { type Answer, errorBody, type WireRequest } from './wire.ts'

export interface RegistryOptions {
  /** Honour `Range` on blobs. */
  readonly ranges?: boolean
  /** Has the referrers API. */
  readonly referrers?: boolean
  /** Has a search of the first protocol, as Docker Hub's index has, over these. */
  readonly searched?: readonly SearchedRepository[]
}

/** In the words of Docker Hub's index. */
export interface SearchedRepository {
  readonly name: string
  readonly description?: string
  readonly star_count?: number
  readonly is_official?: boolean
}

interface StoredManifest extends Descriptor {
  readonly body: Buffer
}

/** What a correct read-only registry answers. Blobs are in every repository. */
export class RegistryContent {
  readonly blobs = new Map<string, Buffer>()
  readonly #manifests = new Map<string, Map<string, StoredManifest>>()
  readonly #tags = new Map<string, Map<string, string>>()
  readonly #options: RegistryOptions

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  addBlob(bytes: Buffer): Digest {
    const digest = digestOf(bytes)
    this.blobs.set(digest, bytes)
    return digest
  }

  /** `digest`: of a signed manifest, where it is not that of the bytes. */
  addManifest(
    repository: string,
    tag: string | undefined,
    body: Buffer,
    mediaType: string,
    digest = digestOf(body),
  ): Descriptor {
    const descriptor = { mediaType, digest, size: body.length }
    entryOf(this.#manifests, repository).set(descriptor.digest, { ...descriptor, body })
    if (tag !== undefined) entryOf(this.#tags, repository).set(tag, descriptor.digest)
    return descriptor
  }

  removeTag(repository: string, tag: string): void {
    this.#tags.get(repository)?.delete(tag)
  }

  answer(request: WireRequest): Answer {
    const url = new URL(request.target, 'http://fake')
    if (url.pathname === '/v2/') return json({})
    if (url.pathname === '/v1/search' && this.#options.searched !== undefined)
      return searchAnswer(url.searchParams, this.#options.searched)
    const match = /^\/v2\/(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/.exec(url.pathname)
    const [, repository = '', kind, reference = ''] = match ?? []
    switch (kind) {
      case 'manifests':
        return this.#manifest(repository, reference)
      case 'blobs':
        return blobAnswer(this.blobs.get(reference), reference, request, this.#options)
      case 'tags':
        return this.#tagList(repository, url.searchParams)
      case 'referrers':
        return this.#referrers(repository, reference, url.searchParams)
      default:
        return failure(404, 'NAME_UNKNOWN')
    }
  }

  #manifest(repository: string, reference: string): Answer {
    const digest = reference.includes(':') ? reference : this.#tags.get(repository)?.get(reference)
    const manifest = this.#manifests.get(repository)?.get(digest ?? '')
    if (manifest === undefined) return failure(404, 'MANIFEST_UNKNOWN')
    const headers = { 'Content-Type': manifest.mediaType, 'Docker-Content-Digest': manifest.digest }
    return { status: 200, headers, body: manifest.body }
  }

  #tagList(name: string, query: URLSearchParams): Answer {
    const tags = this.#tags.get(name)
    if (tags === undefined) return failure(404, 'NAME_UNKNOWN')
    const after = [...tags.keys()].toSorted().filter((tag) => tag > (query.get('last') ?? ''))
    const page = after.slice(0, Number(query.get('n') ?? after.length))
    const next = new URLSearchParams({ n: String(page.length), last: page.at(-1) ?? '' })
    const link =
      page.length > 0 && page.length < after.length && `</v2/${name}/tags/list?${next}>; rel="next"`
    return json({ name, tags: page }, link ? { Link: link } : {})
  }

  #referrers(repository: string, digest: string, query: URLSearchParams): Answer {
    if (!this.#options.referrers) return failure(404, 'UNSUPPORTED')
    const wanted = query.get('artifactType')
    const manifests = [...(this.#manifests.get(repository)?.values() ?? [])].flatMap((manifest) => {
      const { subject, artifactType, config, annotations } = JSON.parse(manifest.body.toString())
      const type = artifactType ?? config?.mediaType
      if (subject?.digest !== digest || (wanted !== null && wanted !== type)) return []
      const { mediaType, size } = manifest
      return [{ mediaType, digest: manifest.digest, size, artifactType: type, annotations }]
    })
    return json(
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests },
      { 'Content-Type': OCI_INDEX, ...(wanted !== null && { 'OCI-Filters-Applied': 'artifactType' }) },
    )
  }
}

/** As index.docker.io answers. */
export function searchAnswer(query: URLSearchParams, all: readonly SearchedRepository[]): Answer {
  const [term = '', size, page] = [
    query.get('q')!,
    Number(query.get('n') ?? 25),
    Number(query.get('page') ?? 1),
  ]
  const found = all.filter(({ name }) => name.includes(term))
  return json({
    num_pages: Math.ceil(found.length / size),
    num_results: found.length,
    page_size: size,
    page,
    query: term,
    results: found
      .slice((page - 1) * size, page * size)
      .map(({ name, description = '', star_count = 0, is_official = false }) => ({
        name,
        description,
        star_count,
        is_official,
        is_automated: false,
        is_trusted: false,
      })),
  })
}

export function blobAnswer(
  bytes: Buffer | undefined,
  digest: string,
  request: WireRequest,
  { ranges = true }: RegistryOptions,
): Answer {
  if (bytes === undefined) return failure(404, 'BLOB_UNKNOWN')
  const headers = {
    'Content-Type': OCTET_STREAM,
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    ...(ranges && { 'Accept-Ranges': 'bytes' }),
  }
  const range =
    ranges && request.method === 'GET' ? parseRange(request.headers['range'], bytes.length) : 'whole'
  if (range === 'whole') return { status: 200, headers, body: bytes }
  const total = bytes.length
  if (range === 'unsatisfiable') {
    return { status: 416, headers: { 'Content-Range': `bytes */${total}` }, body: errorBody(416) }
  }
  const contentRange = `bytes ${range.start}-${range.end}/${total}`
  if (parseContentRange(contentRange) === undefined) throw new Error(`no range: ${contentRange}`)
  return {
    status: 206,
    headers: { ...headers, 'Content-Range': contentRange },
    body: bytes.subarray(range.start, range.end + 1),
  }
}

export function failure(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: errorBody(status, code),
  }
}

export function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  }
}

function entryOf<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const entry = map.get(key) ?? new Map<string, V>()
  map.set(key, entry)
  return entry
}
