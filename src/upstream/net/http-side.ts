import { Duplex } from 'node:stream'
import type { SharedPieces } from '../body/shared-pieces.ts'
import type { DirectSocket, Receiver } from './direct-socket.ts'

/** Bytes of a read while undici reads, and of what is held back then. */
export const READ = 64 * 1024

/** Bytes of a body that is worth being read from the socket directly. */
export const LONG = 256 * 1024
const LENGTH = /\r\ncontent-length:[\t ]*(\d{1,15})/i
const HEAD_END = '\r\n\r\n'

export interface HttpSideOptions extends Pick<
  HttpSide,
  'isReused' | 'keep' | 'pieces' | 'scratch' | 'socket'
> {}

/**
 * What undici takes for its socket. It passes bytes on in both directions until a response may have a long
 * body: then undici gets the head alone, and reading stops until it has parsed that. Either somebody takes
 * the body over, and undici sees its connection closed, or undici goes on as if nothing had been.
 *
 * Nothing depends on this reading of the head but when reading stops. What the response is, and where its
 * body ends, is what undici's parser says.
 */
export class HttpSide extends Duplex implements Receiver {
  /** The connection existed before. */
  readonly isReused: boolean
  /** Where the connection is left to when a body was taken over, and has been read to its end. */
  readonly keep: (socket: DirectSocket, milliseconds: number) => void
  /** For what takes a body over. */
  readonly pieces: SharedPieces | undefined
  readonly #socket: DirectSocket
  readonly #scratch: Buffer
  /** A request was sent, and nothing has come since. */
  #isAwaited = false
  /** What came after a head. */
  #held: Buffer | undefined
  #isDetached = false
  #hasEnded = false

  /** Takes what the socket receives. */
  constructor({ socket, scratch, pieces, isReused, keep }: HttpSideOptions) {
    super({ highWaterMark: READ })
    this.isReused = isReused
    this.keep = keep
    this.pieces = pieces
    this.#socket = socket
    this.#scratch = scratch
    socket.passTo(this)
    // The socket may break before undici has it. It asks then.
    this.on('error', () => {})
  }

  get socket(): DirectSocket {
    return this.#socket
  }

  get scratch(): Buffer {
    return this.#scratch
  }

  /** The head of a response that may have a long body is with undici, and nobody has decided about the body. */
  get isHolding(): boolean {
    return this.#held !== undefined && !this.destroyed
  }

  /** Nothing has come, and something may. */
  get isIdle(): boolean {
    return this.#socket.isOpen && !this.#hasEnded && this.readableLength === 0
  }

  /** Undici reads the body. */
  release(): void {
    const held = this.#held
    this.#held = undefined
    if (held === undefined || this.destroyed) return
    if (held.length === 0 || this.push(held)) this.#socket.resume()
  }

  /** Leaves the socket to `receiver`. @returns what has come of the body */
  detach(receiver: Receiver): Buffer {
    this.#isDetached = true
    this.#socket.passTo(receiver)
    this.destroy()
    return this.#held ?? Buffer.alloc(0)
  }

  space(): Uint8Array {
    return this.#scratch
  }

  took(count: number): boolean {
    const bytes = this.#scratch.subarray(0, count)
    if (this.#held !== undefined) {
      // What TLS has decrypted comes after reading has stopped.
      this.#held = Buffer.concat([this.#held, bytes])
      return false
    }
    const end = this.#isAwaited ? longHeadEnd(bytes) : undefined
    this.#isAwaited = false
    if (end === undefined) return this.push(Buffer.from(bytes))
    this.#held = Buffer.from(bytes.subarray(end))
    this.push(Buffer.from(bytes.subarray(0, end)))
    return false
  }

  ended(): void {
    this.#hasEnded = true
    this.push(null)
  }

  lost(error: Error | undefined): void {
    this.destroy(error)
  }

  silent(): void {}

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  override _read(): void {
    if (this.#held === undefined) this.#socket.resume()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#isAwaited = true
    this.#socket.write(bytes, done)
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#isDetached) this.#socket.destroy()
    done(error)
  }
}

/** Where the head ends, when it came whole and may announce a long body. */
function longHeadEnd(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return undefined
  const head = bytes.toString('latin1', 0, end)
  const isContent = head.startsWith('HTTP/1.1 200') || head.startsWith('HTTP/1.1 206')
  const mayBeLong = isContent && Number(LENGTH.exec(head)?.[1]) >= LONG
  return mayBeLong ? end + HEAD_END.length : undefined
}
