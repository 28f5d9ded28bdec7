import { parseContentRange } from './content-range.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import { type Answer, headerOf } from '../requests.ts'
import { ChunkIterator } from './chunk-iterator.ts'
import type { MinorGc } from './minor-gc.ts'
import { failure } from '../failures.ts'

/** Where the bytes of a 200 or 206 belong, or what contradicts itself in its headers. */
export function placeOf(answer: Answer): Pick<BlobBody, 'start' | 'total'> | { readonly problem: string } {
  const length = lengthOf(answer)
  if (answer.status === 200) return { start: 0, ...(length !== undefined && { total: length }) }
  const range = parseContentRange(headerOf(answer, 'content-range'))
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

/** `Content-Length`; undefined when the length is not said. */
export function lengthOf(answer: Answer): number | undefined {
  const length = headerOf(answer, 'content-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** The body of an answer that was looked at already; nobody else reads it. */
export function blobBody(
  upstream: string,
  answer: Answer,
  place: Pick<BlobBody, 'start' | 'total'>,
  telemetry: UpstreamTelemetry,
  received: MinorGc,
): BlobBody {
  const etag = headerOf(answer, 'etag')
  return {
    ...place,
    ...(etag?.startsWith('"') && { etag }),
    ranges: answer.status === 206 || headerOf(answer, 'accept-ranges') === 'bytes',
    [Symbol.asyncIterator]() {
      answer.body.on('data', ({ length }: Buffer) => {
        telemetry.received(upstream, length)
        received(length)
      })
      return new ChunkIterator(answer.body, (error) => failure(upstream, error))
    },
  }
}
