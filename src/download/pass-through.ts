import { digestFrom, hasherFor } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import { WITHHELD } from './download-policy.ts'
import type { TransferRequest } from './download-request.ts'

/**
 * A blob straight from upstream for one reader, stored nowhere. It is read from its first byte whatever the reader wants of it, so
 * that it can be verified like any other: the end is withheld until the digest matches. Positions asked for must not go down.
 *
 * @throws RegistryError STORAGE when upstream does not say how long the blob is, since the store would be needed to find out.
 */
export async function passThrough(request: TransferRequest): Promise<BlobReader | undefined> {
  const { digest, expectedSize, source } = request
  const stop = new AbortController()
  const body = await source(undefined, stop.signal)
  if (body === undefined) return undefined
  const size = body.total ?? expectedSize
  if (size === undefined) {
    stop.abort()
    throw new RegistryError('STORAGE', {
      upstream: request.repository.upstream,
      reason: 'no room for a blob of unknown size',
    })
  }
  const chunks = body[Symbol.asyncIterator]()
  const hash = hasherFor(digest)
  /** Received and not yet read; the first byte of the first is at `start`. */
  const held: Buffer[] = []
  let start = 0
  let received = 0
  let verified = false

  return {
    descriptor: { mediaType: OCTET_STREAM, digest, size },
    async read(buffer, position) {
      if (position < start) throw new RangeError(`position ${position} was read already`)
      for (;;) {
        drop(position)
        const end = verified ? size : Math.min(received, size - WITHHELD)
        if (end > position) return copy(buffer, position, end)
        if (verified) return 0
        await receive()
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'the reader left' }))
      await chunks.return?.()
    },
  }

  async function receive(): Promise<void> {
    const { done, value } = await chunks.next()
    if (!done) {
      hash.update(value)
      held.push(value)
      received += value.length
      if (received <= size!) return
    } else if (digestFrom(hash, digest) === digest && received === size) {
      verified = true
      return
    }
    throw new RegistryError('UPSTREAM_INVALID', {
      upstream: request.repository.upstream,
      digest,
      size,
      received,
    })
  }

  function drop(position: number): void {
    while (held[0] !== undefined && start + held[0].length <= position) {
      start += held[0].length
      held.shift()
    }
  }

  function copy(buffer: Buffer, position: number, end: number): number {
    const first = held[0]!
    const from = position - start
    return first.copy(buffer, 0, from, Math.min(first.length, from + end - position))
  }
}
