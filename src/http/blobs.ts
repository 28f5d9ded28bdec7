import type { OutgoingHttpHeaders } from 'node:http'
import type { Content } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import { parseRange } from './headers/range.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { Repository } from '../ports/repository.ts'
import type { BufferPool } from './buffer-pool.ts'
import { etagOf, isNotModified, isRangeWanted } from './headers/conditional.ts'
import type { Exchange } from './exchange.ts'
import { send, sendHead } from './send.ts'
import { sendBlob } from './send-blob.ts'

/**
 * GET and HEAD of a blob, end-2 of the distribution spec. What can be answered from the descriptor never opens the blob, so
 * that it starts no download. A HEAD has no ranges (RFC 9110 section 14.2).
 */
export function answerBlob(pool: BufferPool) {
  return (exchange: Exchange, repository: Repository, digest: Digest): Promise<void> | undefined => {
    const { headers } = exchange.incoming
    const isPlain = headers.range === undefined && headers['if-none-match'] === undefined
    const content = isPlain ? recall(exchange, repository, digest) : undefined
    if (content === undefined) return askFor(exchange, repository, digest, pool)
    send(exchange, 200, headersOf(digest, content.descriptor.size), content.bytes)
    return undefined
  }
}

function recall(exchange: Exchange, { blobs }: Repository, digest: Digest): Content | undefined {
  return blobs.recall?.(digest, (status) => void (exchange.cacheStatus = status))
}

async function askFor(
  exchange: Exchange,
  { blobs }: Repository,
  digest: Digest,
  pool: BufferPool,
): Promise<void> {
  const isUnmodified = isNotModified(exchange.incoming.headers['if-none-match'], digest)
  if (exchange.isHead || isUnmodified) {
    const descriptor = await blobs.stat(digest, exchange.asking())
    if (descriptor === undefined) throw new RegistryError('BLOB_UNKNOWN')
    if (isUnmodified) sendHead(exchange, 304, validatorsOf(digest))
    else sendHead(exchange, 200, headersOf(digest, descriptor.size))
    exchange.outgoing.end()
    return
  }
  const reader = await blobs.open(digest, exchange.asking())
  if (reader === undefined) throw new RegistryError('BLOB_UNKNOWN')
  // Disposed by whoever is first: this function, or the client by leaving, which ends a read that waits for bytes.
  let disposed: Promise<void> | undefined
  const dispose = () => (disposed ??= Promise.resolve(reader[Symbol.asyncDispose]()))
  const leave = () => void dispose().catch((error: unknown) => (exchange.failure ??= error))
  exchange.outgoing.once('close', leave)
  try {
    if (!exchange.isAborted) await answerFrom(reader, digest, exchange, pool)
  } finally {
    exchange.outgoing.off('close', leave)
    await dispose()
  }
}

async function answerFrom(
  reader: BlobReader,
  digest: Digest,
  exchange: Exchange,
  pool: BufferPool,
): Promise<void> {
  const { headers } = exchange.incoming
  const { size } = reader.descriptor
  const range = isRangeWanted(headers['if-range'], digest) ? parseRange(headers.range, size) : 'whole'
  if (range === 'unsatisfiable') throw new RegistryError('RANGE_INVALID', { range: headers.range, size })
  if (range === 'whole' && reader.whole !== undefined) {
    send(exchange, 200, headersOf(digest, size), reader.whole)
  } else if (range === 'whole') {
    await sendBlob(exchange, reader, { start: 0, end: size }, pool, () =>
      sendHead(exchange, 200, headersOf(digest, size)),
    )
  } else {
    const part = { start: range.start, end: range.end + 1 }
    await sendBlob(exchange, reader, part, pool, () =>
      sendHead(exchange, 206, {
        ...headersOf(digest, part.end - part.start),
        'Content-Range': `bytes ${range.start}-${range.end}/${size}`,
      }),
    )
  }
}

function headersOf(digest: Digest, length: number): OutgoingHttpHeaders {
  return {
    'Content-Type': OCTET_STREAM,
    'Content-Length': length,
    'Accept-Ranges': 'bytes',
    ...validatorsOf(digest),
  }
}

function validatorsOf(digest: Digest): OutgoingHttpHeaders {
  return { 'Docker-Content-Digest': digest, ETag: etagOf(digest) }
}
