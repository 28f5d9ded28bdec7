import type { RequestKind } from '../ports/telemetry.ts'
import { readPieces } from './body/limits.ts'
import { weighing, weightOfReferences } from './body/answer-weight.ts'
import type { LongBodies } from './body/long-bodies.ts'
import { manifestOf } from './body/manifest-type.ts'
import { readingPace } from './body/reading-pace.ts'
import type { ReadingThread } from './body/reading-thread.ts'
import { failure, invalidAnswer, refusal } from './failures.ts'
import { headerOf, type Transport, type UpstreamRequest, type UpstreamResponse } from './requests.ts'

export interface RepositoryRequestsOptions {
  readonly upstream: string
  readonly url: URL
  /** As the upstream names it. */
  readonly repository: string
  readonly transport: Transport
  /** Told the size of every piece of a body. */
  readonly received: (bytes: number) => void
  /** Told the size of every piece of a body that memory was allocated for. */
  readonly allocated?: (bytes: number) => void
  /** As `UpstreamTelemetry.weighed`. */
  readonly weighed?: ((weight: number) => void) | undefined
  /** Where long bodies take turns. Without it, none waits. */
  readonly longBodies?: LongBodies
  /** As in `UpstreamClientOptions`. */
  readonly asker?: (() => string | undefined) | undefined
  /** Reads large manifests. Without it, they are read in steps. */
  readonly reading?: Pick<ReadingThread, 'manifest'>
}

type Extras = Pick<UpstreamRequest, 'headers' | 'signal'>

/** What the requests to one repository have in common. */
export interface RepositoryRequests {
  readonly upstream: string
  /** Of the registry itself. */
  readonly origin: string
  /** `path` is below `/v2/<name>/` and may have a query. */
  get(kind: RequestKind, path: string, extras: Extras): Promise<UpstreamResponse>
  head(kind: RequestKind, path: string, extras: Extras): Promise<UpstreamResponse>
  /**
   * Reads the body of a 200.
   *
   * @throws RegistryError for other statuses, encoded content, and bodies over `limit` bytes
   */
  read(response: UpstreamResponse, limit: number): Promise<Buffer>
  /** The same, piece by piece. `take` may throw to end it, and may take its time. */
  readPieces(
    response: UpstreamResponse,
    limit: number,
    take: (piece: Buffer) => void | Promise<void>,
  ): Promise<void>
  /** The same for content whose hash is checked: a wrong label is no harm there. */
  readHashed(response: UpstreamResponse, limit: number): Promise<Buffer>
  /** Makes a manifest from a body, which it keeps, as `manifestOf` does. */
  manifestOf: typeof manifestOf
}

/** Bytes of a manifest that takes more than a millisecond. */
const LARGE = 128 * 1024

/** The statuses that say "does not exist". */
export const ABSENT = new Set([404, 410])
/** The statuses of an upstream that cannot answer now, whatever the method. */
export const PASSING = new Set([408, 429, 502, 503, 504, 508])

export function repositoryRequests(options: RepositoryRequestsOptions): RepositoryRequests {
  const {
    upstream,
    url,
    repository,
    transport,
    received,
    weighed = () => {},
    allocated = () => {},
    longBodies,
    asker,
    reading,
  } = options
  const root = `${url.pathname.replace(/\/$/, '')}/v2/${repository}`
  const send =
    (method: 'GET' | 'HEAD') =>
    (kind: RequestKind, path: string, extras: Extras): Promise<UpstreamResponse> =>
      transport({ ...extras, method, kind, url: new URL(`${root}/${path}`, url), repository })

  const readInPieces: RepositoryRequests['readPieces'] = async (response, limit, take) => {
    if (response.status !== 200) throw await refusal(upstream, response)
    try {
      const weigh = weighing(weighed)
      const isWhole = await readPieces(response, limit, (piece) => {
        received(piece.length)
        allocated(piece.length)
        weigh(piece.length)
        return take(piece)
      })
      if (!isWhole) throw invalidAnswer(upstream, `answer longer than ${limit} bytes`)
    } catch (error) {
      throw failure(upstream, error)
    }
  }
  const readHashed = async (response: UpstreamResponse, limit: number): Promise<Buffer> => {
    const size = Number(headerOf(response, 'content-length') ?? 0)
    const isLong = response.status === 200 && size > LARGE && size <= limit
    let leave = isLong ? await enter(response) : undefined
    try {
      // To join the pieces of a large body at its end would hold the event loop for more than a millisecond.
      const whole = isLong ? Buffer.allocUnsafeSlow(size) : undefined
      const pieces: Buffer[] = []
      let length = 0
      const pace = readingPace()
      await readInPieces(response, limit, async (piece) => {
        if (whole === undefined) pieces.push(piece)
        else piece.copy(whole, length)
        length += piece.length
        if (length > LARGE) leave ??= await enter(response)
        await pace(piece.length)
      })
      return whole?.subarray(0, length) ?? Buffer.concat(pieces)
    } finally {
      leave?.()
    }
  }
  const enter = async ({ body }: UpstreamResponse): Promise<() => void> => {
    if (longBodies === undefined) return () => {}
    try {
      return await longBodies.enter(asker?.() ?? repository)
    } catch (error) {
      body.destroy()
      throw error
    }
  }

  return {
    upstream,
    origin: url.origin,
    get: send('GET'),
    head: send('HEAD'),
    async read(response, limit) {
      if (response.status === 200) refuseEncoded(upstream, response)
      return readHashed(response, limit)
    },
    async readPieces(response, limit, take) {
      if (response.status === 200) refuseEncoded(upstream, response)
      await readInPieces(response, limit, take)
    },
    readHashed,
    async manifestOf(body, contentType, expected) {
      const isLarge = body.length > LARGE && reading !== undefined
      const manifest = isLarge
        ? await reading.manifest(upstream, body, contentType, expected)
        : await manifestOf(body, contentType, expected)
      if ('references' in manifest) {
        const weight = weightOfReferences(manifest.references!.digests.length)
        if (weight > 0) weighed(weight)
      }
      return manifest
    },
  }
}

/** Whether a response says that its content is in an encoding, although we asked for `identity`. */
export function isEncoded(response: UpstreamResponse): boolean {
  return (headerOf(response, 'content-encoding') ?? 'identity').toLowerCase() !== 'identity'
}

/** Refuses encoded content that no hash vouches for. Decoding would let decompression bombs in. */
function refuseEncoded(upstream: string, response: UpstreamResponse): void {
  if (!isEncoded(response)) return
  response.body.destroy()
  throw invalidAnswer(upstream, 'encoded content', response.status)
}
