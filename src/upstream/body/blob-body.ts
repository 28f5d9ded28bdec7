import type { Readable } from 'node:stream'
import type { BlobBody } from '../../ports/upstream.ts'
import { failure } from '../failures.ts'
import { headerOf, type UpstreamResponse } from '../requests.ts'
import { type BodyRate, PacedChunks } from './body-rate.ts'
import { ChunkIterator } from '../../util/async/chunk-iterator.ts'
import { parseContentRange } from './content-range.ts'
import { type Chunks, copied, DirectBody } from './direct-body.ts'

type Place = Pick<BlobBody, 'start' | 'total'>

/** The position of the bytes of a 200 or 206, or the contradiction in its headers. */
export function placeOf(response: UpstreamResponse): Place | { readonly problem: string } {
  const length = lengthOf(response)
  if (response.status === 200) return { start: 0, ...(length !== undefined && { total: length }) }
  const range = parseContentRange(headerOf(response, 'content-range'))
  if (range === undefined) return { problem: 'partial content without its range' }
  const { start, end, total } = range
  if (
    end < start ||
    (total !== undefined && end >= total) ||
    (length ?? end - start + 1) !== end - start + 1
  ) {
    return { problem: 'range that contradicts itself' }
  }
  return { start, ...(total !== undefined && { total }) }
}

/** `Content-Length`, or undefined where the response does not state its length. */
export function lengthOf(response: Pick<UpstreamResponse, 'headers'>): number | undefined {
  const length = headerOf(response, 'content-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

export interface BlobBodyOptions {
  readonly signal: AbortSignal
  /** Told the size of every chunk. */
  readonly received: (bytes: number) => void
  /** Told the size of every chunk that memory was allocated for. */
  readonly allocated: (bytes: number) => void
  /** Omitted: as fast as it comes. */
  readonly rate?: BodyRate | undefined
}

/** The body of a response whose headers were checked. */
export function blobBody(
  upstream: string,
  response: UpstreamResponse,
  place: Place,
  { signal, received, allocated, rate }: BlobBodyOptions,
): BlobBody {
  const { body } = response
  const etag = headerOf(response, 'etag')
  const toError = (error: unknown): unknown => failure(upstream, error)
  const paced = (chunks: Chunks): Chunks =>
    rate === undefined ? chunks : new PacedChunks(chunks, rate, signal)
  const streamed = (stream: Readable): Chunks => {
    stream.on('data', ({ length }: Buffer) => {
      received(length)
      allocated(length)
    })
    return new ChunkIterator(stream, toError)
  }
  return {
    ...place,
    ...(etag?.startsWith('"') && { etag }),
    ranges: response.status === 206 || headerOf(response, 'accept-ranges') === 'bytes',
    ...(body instanceof DirectBody
      ? {
          [Symbol.asyncIterator]: () => copied(paced(body.chunks(toError, received))),
          reused: { [Symbol.asyncIterator]: () => paced(body.chunks(toError, received)) },
        }
      : { [Symbol.asyncIterator]: () => paced(streamed(body)) }),
  }
}
