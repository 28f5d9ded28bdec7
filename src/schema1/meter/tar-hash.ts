import { createGunzip, type Gunzip } from 'node:zlib'
import { digestFrom, hasherFor } from '../../oci/digest.ts'
import type { LayerFacts } from '../../ports/conversions.ts'
import type { TarProblem } from './protocol.ts'

/** Bytes that a decompressed piece has at most. */
const CHUNK = 128 * 1024
const ZEROS = Buffer.alloc(CHUNK)
/** Bytes that tell how a layer is compressed. */
const MAGIC = 6
const GZIP = Buffer.from([0x1f, 0x8b])
/** Schema 2 has media types for tars and for tars in gzip. */
const OTHERS: readonly (readonly [string, Buffer])[] = [
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['bzip2', Buffer.from([0x42, 0x5a, 0x68])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
]

/** Hashes the tar in a layer whose bytes come piece by piece. */
export class TarHash {
  readonly #mostBytes: number
  readonly #hash = hasherFor()
  readonly #settled = Promise.withResolvers<LayerFacts | TarProblem>()
  #head: Buffer | undefined = Buffer.alloc(0)
  #gunzip: Gunzip | undefined
  #bytes = 0
  #isZero = true
  #isSettled = false

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get facts(): Promise<LayerFacts | TarProblem> {
    return this.#settled.promise
  }

  /** Is fulfilled when the memory of the piece is free. What comes after a problem is ignored. */
  async write(piece: Buffer): Promise<void> {
    if (this.#isSettled) return
    if (this.#head === undefined) return this.#take(piece)
    const first = Buffer.concat([this.#head, piece])
    if (first.length < MAGIC) this.#head = first
    else await this.#begin(first)
  }

  async end(): Promise<void> {
    if (this.#head !== undefined) await this.#begin(this.#head)
    if (this.#gunzip === undefined) this.#finish()
    else this.#gunzip.end()
  }

  close(): void {
    this.#isSettled = true
    this.#gunzip?.destroy()
  }

  /** What it is compressed with stands in its first bytes. */
  async #begin(first: Buffer): Promise<void> {
    this.#head = undefined
    const [other] = OTHERS.find(([, magic]) => first.subarray(0, magic.length).equals(magic)) ?? []
    if (other !== undefined)
      return this.#fail(`is compressed by ${other}, which schema 2 has no media type for`)
    if (first.subarray(0, GZIP.length).equals(GZIP)) {
      this.#gunzip = createGunzip({ chunkSize: CHUNK })
        .on('data', (bytes: Buffer) => this.#add(bytes))
        .on('end', () => this.#finish())
        .on('error', (error) => this.#fail(`is damaged: ${error.message}`))
    }
    await this.#take(first)
  }

  #take(bytes: Buffer): Promise<void> | undefined {
    const gunzip = this.#gunzip
    if (gunzip === undefined) {
      this.#add(bytes)
      return undefined
    }
    // One that fails calls back with its error, which is handled where it is emitted.
    return new Promise((resolve) => void gunzip.write(bytes, () => resolve()))
  }

  #add(bytes: Buffer): void {
    if (this.#isSettled) return
    this.#bytes += bytes.length
    if (this.#bytes > this.#mostBytes) {
      this.#fail(`has a tar of more than ${this.#mostBytes} bytes`)
      return
    }
    this.#hash.update(bytes)
    for (let at = 0; this.#isZero && at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK)
      this.#isZero = part.equals(ZEROS.subarray(0, part.length))
    }
  }

  #finish(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#settled.resolve({
      diffId: digestFrom(this.#hash),
      isGzip: this.#gunzip !== undefined,
      isEmpty: this.#isZero,
    })
  }

  #fail(problem: string): void {
    if (this.#isSettled) return
    this.close()
    this.#settled.resolve({ problem })
  }
}
