/** A registry that takes pushes, on a real socket: right by the distribution spec, until it is told otherwise. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Digest, digestOf, isDigest } from '../../src/oci/digest.ts'
import { partsIn } from '../../src/oci/manifest-parts.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'

export type RequestStep =
  | 'check'
  | 'mount'
  | 'begin'
  | 'append'
  | 'finish'
  | 'status'
  | 'abandon'
  | 'resolve'
  | 'manifest'
  | 'put'
  | 'referrers'
  | 'other'

export interface DestinationRequest {
  readonly step: RequestStep
  readonly method: string
  readonly url: string
  readonly repository: string
  readonly authorization: string | undefined
  /** Bytes of its body that came. */
  received: number
  status: number
}

/**
 * `before`, `after`: the connection breaks off before the request is read, or once it is carried out. `midway`:
 * after half of its body. `lose`: its session is forgotten. A number: that status.
 */
export type Fault =
  | 'before'
  | 'midway'
  | 'after'
  | 'lose'
  | 'forget bytes'
  | number
  | { readonly status: number; readonly headers: Record<string, string> }

export interface FakeDestinationOptions {
  readonly mount?: 'mounts' | 'session' | 'refuses' | 'denies'
  /** `OCI-Chunk-Min-Length`: fewer bytes in one PATCH are refused, but for the last. */
  readonly leastChunk?: number
  /** More bytes in one request are refused. */
  readonly mostChunk?: number
  /** It takes blobs in one request only. */
  readonly noChunks?: boolean
  /** It lists referrers itself. */
  readonly referrers?: boolean
  /** Indexes may list manifests that it does not have. */
  readonly sparse?: boolean
  /** What goes wrong with this request. */
  readonly fault?: (request: DestinationRequest, count: number) => Fault | undefined
  /** Waited for before a request is answered. */
  readonly hold?: (request: DestinationRequest) => Promise<unknown> | undefined
}

interface Session {
  readonly repository: string
  bytes: Buffer
}

export class FakeDestination implements AsyncDisposable {
  readonly requests: DestinationRequest[] = []
  readonly blobs = new Map<string, Map<string, Buffer>>()
  readonly manifests = new Map<string, Map<string, { body: Buffer; mediaType: string }>>()
  readonly sessions = new Map<string, Session>()
  options: FakeDestinationOptions
  readonly #server: Server
  #port = 0

  constructor(options: FakeDestinationOptions) {
    this.options = options
    this.#server = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch((error: unknown) => {
        if (!incoming.socket.destroyed) throw error
      })
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  count(...steps: readonly RequestStep[]): number {
    return this.requests.filter(({ step }) => steps.includes(step)).length
  }

  /** Bytes of blobs that came. */
  get received(): number {
    return this.requests.reduce((sum, { step, received }) => sum + (step === 'put' ? 0 : received), 0)
  }

  /** Pulls an image as a client does. @returns its digest @throws when something of it is not there */
  pull(repository: string, reference: string, isSparse = false): Digest {
    const found = this.manifests.get(repository)?.get(reference)
    if (found === undefined) throw new Error(`no manifest ${repository} ${reference}`)
    const { manifests, content } = partsIn(found.body)
    for (const { digest } of manifests) {
      if (!isSparse || this.manifests.get(repository)?.has(digest)) this.pull(repository, digest)
    }
    for (const { digest } of content) {
      const bytes = this.blobs.get(repository)?.get(digest)
      if (bytes === undefined || digestOf(bytes, digest) !== digest)
        throw new Error(`no blob ${repository} ${digest}`)
    }
    return digestOf(found.body)
  }

  putBlob(repository: string, bytes: Buffer): void {
    this.#of(this.blobs, repository).set(digestOf(bytes), bytes)
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '' } = incoming
    const request = { ...routeOf(method, url), method, url, received: 0, status: 0 } as DestinationRequest
    Object.assign(request, { authorization: incoming.headers.authorization })
    this.requests.push(request)
    const fault = this.options.fault?.(request, this.count(request.step))
    if (fault === 'before') return void incoming.socket.destroy()
    const id = url.split('?', 1)[0]!.split('/').at(-1)!
    if (fault === 'lose') this.sessions.delete(id)
    const session = this.sessions.get(id)
    await this.options.hold?.(request)
    const isStreamed = request.step === 'append' || request.step === 'finish'
    const length = Number(incoming.headers['content-length'] ?? 0)
    if (typeof fault === 'number' || typeof fault === 'object') {
      const { status, headers } = typeof fault === 'object' ? fault : { status: fault, headers: {} }
      request.status = status
      return void outgoing.writeHead(status, { ...headers, connection: 'close' }).end()
    }
    if (isStreamed && length > (this.options.mostChunk ?? Infinity)) {
      request.status = 413
      return void outgoing.writeHead(413, { connection: 'close' }).end()
    }
    const chunks: Buffer[] = []
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      request.received += chunk.length
      chunks.push(chunk)
      if (fault === 'midway' && request.received >= length / 2) {
        // What came is kept, as registries keep it.
        if (session) session.bytes = Buffer.concat([session.bytes, ...chunks])
        return void incoming.socket.destroy()
      }
    }
    const answer = this.#answer(request, Buffer.concat(chunks), incoming, session)
    if (fault === 'forget bytes' && session) session.bytes = session.bytes.subarray(0, 10)
    if (fault === 'after' || fault === 'midway') return void incoming.socket.destroy()
    request.status = answer.status
    outgoing.writeHead(answer.status, answer.headers)
    outgoing.end(method === 'HEAD' ? undefined : answer.body)
  }

  #lose(session: Session | undefined): void {
    for (const [id, one] of this.sessions) if (one === session) this.sessions.delete(id)
  }

  #answer(
    { step, repository, url }: DestinationRequest,
    body: Buffer,
    { headers }: IncomingMessage,
    session: Session | undefined,
  ): { status: number; headers?: Record<string, string>; body?: Buffer } {
    const { pathname, searchParams } = new URL(url, this.url)
    const last = pathname.split('/').at(-1)!
    const { options } = this
    switch (step) {
      case 'check':
        return this.blobs.get(repository)?.has(last) ? { status: 200 } : failure(404, 'BLOB_UNKNOWN')
      case 'mount': {
        const digest = searchParams.get('mount')!
        const bytes = this.blobs.get(searchParams.get('from')!)?.get(digest)
        if (options.mount === 'refuses') return failure(405, 'UNSUPPORTED')
        if (options.mount === 'denies') return failure(403, 'DENIED')
        if (options.mount === 'session' || bytes === undefined) return this.#begin(repository)
        this.#of(this.blobs, repository).set(digest, bytes)
        return { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } }
      }
      case 'begin':
        return this.#begin(repository)
      case 'status':
        if (session === undefined) return failure(404, 'BLOB_UPLOAD_UNKNOWN')
        return { status: 204, headers: this.#sessionHeaders(session) }
      case 'abandon':
        if (session === undefined) return failure(404, 'BLOB_UPLOAD_UNKNOWN')
        this.#lose(session)
        return { status: 204 }
      case 'append':
      case 'finish': {
        if (session === undefined) return failure(404, 'BLOB_UPLOAD_UNKNOWN')
        if (step === 'append' && options.noChunks === true) return failure(405, 'UNSUPPORTED')
        const [, start] = /^(\d+)-/.exec(headers['content-range'] ?? '') ?? []
        if (body.length > 0 && Number(start ?? 0) !== session.bytes.length)
          return { ...failure(416, 'RANGE_INVALID'), headers: this.#sessionHeaders(session) }
        if (step === 'append' && body.length < (options.leastChunk ?? 0) && !searchParams.has('last')) {
          // It cannot know which is the last: it remembers that no more may follow.
          session.bytes = Buffer.concat([session.bytes, body])
          return { status: 202, headers: this.#sessionHeaders(session) }
        }
        session.bytes = Buffer.concat([session.bytes, body])
        if (step === 'append') return { status: 202, headers: this.#sessionHeaders(session) }
        const digest = searchParams.get('digest')!
        this.#lose(session)
        if (!isDigest(digest) || digestOf(session.bytes, digest) !== digest)
          return failure(400, 'DIGEST_INVALID')
        this.#of(this.blobs, repository).set(digest, session.bytes)
        return { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } }
      }
      case 'resolve':
      case 'manifest': {
        const found = this.manifests.get(repository)?.get(last)
        if (found === undefined) return failure(404, 'MANIFEST_UNKNOWN')
        return {
          status: 200,
          headers: { 'content-type': found.mediaType, 'docker-content-digest': digestOf(found.body) },
          body: found.body,
        }
      }
      case 'put':
        return this.#putManifest(repository, last, body, String(headers['content-type']))
      case 'referrers': {
        if (options.referrers !== true) return failure(404, 'UNSUPPORTED')
        const found = [...(this.manifests.get(repository) ?? [])].filter(
          ([reference, { body }]) =>
            isDigest(reference) &&
            (JSON.parse(body.toString()) as { subject?: { digest: string } }).subject?.digest === last,
        )
        const manifests = found.map(([digest, { body, mediaType }]) => ({
          mediaType,
          digest,
          size: body.length,
        }))
        return {
          status: 200,
          headers: { 'content-type': OCI_INDEX },
          body: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })),
        }
      }
      default:
        return failure(404, 'UNKNOWN')
    }
  }

  #putManifest(repository: string, reference: string, body: Buffer, mediaType: string) {
    const digest = digestOf(body)
    if (isDigest(reference) && reference !== digest) return failure(400, 'DIGEST_INVALID')
    const { manifests, content } = partsIn(body)
    const own = this.#of(this.manifests, repository)
    const lacks =
      (this.options.sparse !== true && manifests.some((one) => !own.has(one.digest))) ||
      content.some((one) => !this.blobs.get(repository)?.has(one.digest))
    // The fallback tag of referrers lists what may be anywhere.
    if (lacks && !reference.startsWith('sha256-')) return failure(400, 'MANIFEST_BLOB_UNKNOWN')
    own.set(reference, { body, mediaType }).set(digest, { body, mediaType })
    const { subject } = JSON.parse(body.toString()) as { subject?: { digest: string } }
    return {
      status: 201,
      headers: {
        'docker-content-digest': digest,
        ...(this.options.referrers === true && subject && { 'oci-subject': subject.digest }),
      },
    }
  }

  #begin(repository: string) {
    const id = randomBytes(8).toString('hex')
    const session = { repository, bytes: Buffer.alloc(0) }
    this.sessions.set(id, session)
    return { status: 202, headers: this.#sessionHeaders(session) }
  }

  #sessionHeaders(session: Session): Record<string, string> {
    const [id] = [...this.sessions].find(([, one]) => one === session)!
    const { leastChunk } = this.options
    return {
      // With a query, as registries have it that keep the state in it.
      location: `/v2/${session.repository}/blobs/uploads/${id}?_state=a%2Fb%3D`,
      range: `0-${Math.max(0, session.bytes.length - 1)}`,
      ...(leastChunk !== undefined && { 'oci-chunk-min-length': String(leastChunk) }),
    }
  }

  #of<T>(all: Map<string, Map<string, T>>, repository: string): Map<string, T> {
    const known = all.get(repository)
    if (known !== undefined) return known
    const made = new Map<string, T>()
    all.set(repository, made)
    return made
  }
}

export async function fakeDestination(options: FakeDestinationOptions = {}): Promise<FakeDestination> {
  const destination = new FakeDestination(options)
  await destination.start()
  return destination
}

function failure(
  status: number,
  code: string,
): { status: number; headers: Record<string, string>; body: Buffer } {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message: 'of the fake destination' }] }))
  return { status, headers: { 'content-type': 'application/json' }, body }
}

function routeOf(method: string, url: string): { step: RequestStep; repository: string } {
  const [path = '', query = ''] = url.split('?')
  const [, repository = '', kind] =
    /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|referrers)\//.exec(path) ?? []
  const steps: Record<string, Record<string, RequestStep>> = {
    'blobs/uploads': {
      POST: query.includes('mount=') ? 'mount' : 'begin',
      PATCH: 'append',
      PUT: 'finish',
      GET: 'status',
      DELETE: 'abandon',
    },
    blobs: { HEAD: 'check' },
    manifests: { HEAD: 'resolve', GET: 'manifest', PUT: 'put' },
    referrers: { GET: 'referrers' },
  }
  return { step: steps[kind ?? '']?.[method] ?? 'other', repository }
}
