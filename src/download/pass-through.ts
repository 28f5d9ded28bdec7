import { digestFrom, digestOf, hasherFor } from '../oci/digest.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { BlobBody } from '../ports/upstream.ts'
import { WITHHELD } from './download-policy.ts'
import type { DownloadRequest, Source } from './download-request.ts'
import { Representation } from './fetch/representation.ts'

/**
 * Opens a blob straight from its source for one reader, and stores nothing. The blob is received from its
 * first byte on, even for a range, so that it can be verified: the end is withheld until the digest matches.
 * `signal` aborts when the reader leaves.
 *
 * @returns undefined when the source does not have the blob.
 * @throws RegistryError STORAGE when the source does not tell the size, because finding it out takes a store.
 */
export async function passThrough(
  request: DownloadRequest,
  signal?: AbortSignal,
): Promise<BlobReader | undefined> {
  const { repository, digest, expectedSize, source } = request
  const { upstream } = repository
  const stop = new AbortController()
  const representation = new Representation(expectedSize)
  const ended = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const body = await openWhole(source, representation, ended)
  if (body === undefined) return undefined
  const { size } = representation
  if (size === undefined) {
    stop.abort()
    const reason = 'cannot pass through a blob of unknown size'
    throw new RegistryError('STORAGE', { upstream, reason })
  }
  if (size === 0 && digestOf(Buffer.alloc(0), digest) !== digest) {
    stop.abort()
    throw new RegistryError('UPSTREAM_INVALID', { upstream, digest, size })
  }
  return new PassThroughReader({ upstream, digest, size, body, stop })
}

/** An answer that begins elsewhere, or is of another size, is asked for once more, as a download does. */
async function openWhole(
  source: Source,
  representation: Representation,
  signal: AbortSignal,
): Promise<BlobBody | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const body = await source.open(undefined, signal)
    if (body === undefined) return undefined
    try {
      representation.accept(body, undefined)
      return body
    } catch (error) {
      await body[Symbol.asyncIterator]().return?.()
      if (attempt === 2) throw error
    }
  }
}

interface PassThroughOptions {
  readonly upstream: string
  readonly digest: Digest
  readonly size: number
  readonly body: BlobBody
  readonly stop: AbortController
}

/** Positions that are read must not go down: bytes are dropped once they have been read. */
class PassThroughReader implements BlobReader {
  readonly descriptor: Descriptor
  readonly #upstream: string
  readonly #stop: AbortController
  readonly #chunks: AsyncIterator<Buffer>
  readonly #hash
  /** Received and not yet read. The first byte of the first chunk is at `#start`. */
  readonly #held: Buffer[] = []
  #start = 0
  #received = 0
  #isVerified = false

  constructor({ upstream, digest, size, body, stop }: PassThroughOptions) {
    this.descriptor = { mediaType: OCTET_STREAM, digest, size }
    this.#upstream = upstream
    this.#stop = stop
    this.#chunks = body[Symbol.asyncIterator]()
    this.#hash = hasherFor(digest)
  }

  async read(buffer: Buffer, position: number): Promise<number> {
    if (position < this.#start) throw new RangeError(`position ${position} was read already`)
    const { size } = this.descriptor
    for (;;) {
      this.#drop(position)
      const end = this.#isVerified ? size : Math.min(this.#received, size - WITHHELD)
      if (end > position) return this.#copy(buffer, position, end)
      if (this.#isVerified) return 0
      await this.#receive()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'the reader left' }))
    await this.#chunks.return?.()
  }

  async #receive(): Promise<void> {
    const { digest, size } = this.descriptor
    const { done, value } = await this.#chunks.next()
    if (!done) {
      this.#hash.update(value)
      this.#held.push(value)
      this.#received += value.length
      if (this.#received <= size) return
    } else if (digestFrom(this.#hash, digest) === digest && this.#received === size) {
      this.#isVerified = true
      return
    }
    const detail = { upstream: this.#upstream, digest, size, received: this.#received }
    throw new RegistryError('UPSTREAM_INVALID', detail)
  }

  #drop(position: number): void {
    while (this.#held[0] !== undefined && this.#start + this.#held[0].length <= position) {
      this.#start += this.#held[0].length
      this.#held.shift()
    }
  }

  #copy(buffer: Buffer, position: number, end: number): number {
    const first = this.#held[0]!
    const from = position - this.#start
    return first.copy(buffer, 0, from, Math.min(first.length, from + end - position))
  }
}
