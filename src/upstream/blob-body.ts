import { on } from 'node:events'
import type { Readable } from 'node:stream'
import { parseContentRange } from '../oci/range.ts'
import type { UpstreamTelemetry } from '../oci/telemetry.ts'
import type { BlobBody } from '../oci/upstream.ts'
import { type Answer, headerOf } from './ask.ts'
import type { ChunkSweeper } from './chunk-sweeper.ts'
import { failure } from './errors.ts'

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

/**
 * A stream's chunks as they came. Its own iterator joins what has gathered, which copies every byte once more.
 */
async function* chunksOf(body: Readable): AsyncGenerator<Buffer> {
  if (body.errored !== null) throw body.errored
  try {
    const events = on(body, 'data', { close: ['end'], highWaterMark: WAITING, lowWaterMark: 1 })
    for await (const [chunk] of events as AsyncIterable<[Buffer]>) yield chunk
  } finally {
    body.destroy()
  }
}

/** Chunks that wait for their reader before the stream is paused. */
const WAITING = 4

/** The body of an answer that was looked at already; nobody else reads it. */
export function blobBody(
  upstream: string,
  answer: Answer,
  place: Pick<BlobBody, 'start' | 'total'>,
  telemetry: UpstreamTelemetry,
  sweep: ChunkSweeper,
): BlobBody {
  const etag = headerOf(answer, 'etag')
  return {
    ...place,
    ...(etag?.startsWith('"') && { etag }),
    ranges: answer.status === 206 || headerOf(answer, 'accept-ranges') === 'bytes',
    async *[Symbol.asyncIterator]() {
      try {
        for await (const chunk of chunksOf(answer.body)) {
          telemetry.received(upstream, chunk.length)
          sweep(chunk.length)
          yield chunk
        }
      } catch (error) {
        throw failure(upstream, error)
      }
    },
  }
}
