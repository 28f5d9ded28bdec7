import type { Content, Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import { parseRange } from '../headers/range.ts'
import { type BlobReader, isInMemory } from '../../ports/blob-store.ts'
import type { Repository } from '../../ports/repository.ts'
import type { Interval } from '../../util/interval-set.ts'
import { whenKnown } from '../../util/async/maybe.ts'
import { perObject } from '../../util/per-object.ts'
import { etagOf, isNotModified, isRangeWanted } from '../headers/conditional.ts'
import type { Exchange } from '../exchange.ts'
import { accelHeader } from '../accel.ts'
import { type HeaderList, KeptHeaders } from '../headers/head-template.ts'
import { send, sendContent, sendHead } from '../send.ts'
import { type BlobSending, sendBlob } from '../send-blob.ts'

/**
 * GET and HEAD of a blob, end-2 of the distribution spec. A request that the descriptor answers never opens
 * the blob, so that it starts no download. A HEAD has no ranges (RFC 9110 section 14.2).
 */
export function answerBlob(sending: BlobSending) {
  const keptHeadersOf = perObject(
    ({ digest, size }: Descriptor) => new KeptHeaders(withLength(headersOf(digest), size)),
  )

  function sendInMemory(exchange: Exchange, { descriptor, bytes }: Content): Promise<void> | undefined {
    const { digest, size } = descriptor
    const part = wantedPart(exchange, digest, size)
    if (part === 'whole') return sendContent(exchange, keptHeadersOf(descriptor), bytes)
    return send(exchange, 206, partHeaders(digest, part, size), bytes.subarray(part.start, part.end))
  }

  return (exchange: Exchange, { blobs }: Repository, digest: Digest): Promise<void> | undefined => {
    const isUnmodified = isNotModified(exchange.incoming.headers['if-none-match'], digest)
    if (exchange.isHead || isUnmodified) {
      return whenKnown(blobs.stat(digest, exchange.readOptions()), (descriptor) => {
        if (descriptor === undefined) throw new RegistryError('BLOB_UNKNOWN')
        if (isUnmodified) sendHead(exchange, 304, validatorsOf(digest))
        else sendHead(exchange, 200, withLength(headersOf(digest), descriptor.size))
        exchange.outgoing.end()
        return undefined
      })
    }
    exchange.mayRedirect = sending.mayRedirect?.(exchange.client) ?? false
    return whenKnown(blobs.open(digest, exchange.readOptions()), (blob) => {
      if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN')
      return isInMemory(blob) ? sendInMemory(exchange, blob) : sendRead(exchange, blob, sending)
    })
  }
}

async function sendRead(exchange: Exchange, reader: BlobReader, sending: BlobSending): Promise<void> {
  // This function disposes of the reader, or the client does by leaving, which ends a read that waits for
  // bytes.
  let disposed: Promise<void> | undefined
  const dispose = () => (disposed ??= Promise.resolve(reader[Symbol.asyncDispose]()))
  const leave = () =>
    exchange.inTurn(() => void dispose().catch((error: unknown) => (exchange.failure ??= error)))
  exchange.outgoing.once('close', leave)
  try {
    if (exchange.isAborted) return
    if (reader.location !== undefined) {
      sendElsewhere(exchange, reader.location)
      return
    }
    const { digest, size } = reader.descriptor
    const part = wantedPart(exchange, digest, size)
    const handedOver = accelHeader(sending.accel, exchange.incoming, reader.file)
    if (handedOver !== undefined) {
      handOver(exchange, handedOver, digest, part === 'whole' ? size : part.end - part.start)
    } else if (part === 'whole') {
      await sendBlob(exchange, reader, { start: 0, end: size }, sending, () =>
        sendHead(exchange, 200, withLength(headersOf(digest), size)),
      )
    } else {
      await sendBlob(exchange, reader, part, sending, () =>
        sendHead(exchange, 206, withLength(partHeaders(digest, part, size), part.end - part.start)),
      )
    }
  } finally {
    exchange.outgoing.off('close', leave)
    await dispose()
  }
}

/** The client sends its range there. Nobody else may use the URL, or keep it longer than it holds. */
function sendElsewhere(exchange: Exchange, location: string): void {
  sendHead(exchange, 307, ['Location', location, 'Cache-Control', 'no-store', 'Content-Length', '0'])
  exchange.outgoing.end()
}

/** The proxy evaluates the range, and adds the length, for the file that it sends. */
function handOver(exchange: Exchange, header: HeaderList, digest: Digest, length: number): void {
  exchange.bytesSent = length
  sendHead(exchange, 200, [...CONTENT_TYPE, ...validatorsOf(digest), ...header])
  exchange.outgoing.end()
}

/** @throws RegistryError RANGE_INVALID */
function wantedPart({ incoming: { headers } }: Exchange, digest: Digest, size: number): 'whole' | Interval {
  const range = isRangeWanted(headers['if-range'], digest) ? parseRange(headers.range, size) : 'whole'
  if (range === 'unsatisfiable') throw new RegistryError('RANGE_INVALID', { range: headers.range, size })
  return range === 'whole' ? range : { start: range.start, end: range.end + 1 }
}

function partHeaders(digest: Digest, { start, end }: Interval, size: number): HeaderList {
  return [...headersOf(digest), 'Content-Range', `bytes ${start}-${end - 1}/${size}`]
}

const CONTENT_TYPE = ['Content-Type', OCTET_STREAM]

function headersOf(digest: Digest): HeaderList {
  return [...CONTENT_TYPE, 'Accept-Ranges', 'bytes', ...validatorsOf(digest)]
}

function validatorsOf(digest: Digest): HeaderList {
  return ['Docker-Content-Digest', digest, 'ETag', etagOf(digest)]
}

function withLength(headers: HeaderList, length: number): HeaderList {
  return [...headers, 'Content-Length', String(length)]
}
