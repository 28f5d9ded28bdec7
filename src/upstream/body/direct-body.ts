import { errors } from 'undici'
import type { DirectSocket, Receiver } from '../net/direct-socket.ts'
import { ReceiveBuffer } from './receive-buffer.ts'
import type { SharedPieces } from './shared-pieces.ts'

export interface DirectBodyOptions {
  readonly socket: DirectSocket
  /** Bytes. At least one has not come yet. */
  readonly length: number
  /** Where the socket reads to until this body says otherwise. */
  readonly scratch: Buffer
  /** Memory for a long body. Without them, its chunks are its own. */
  readonly pieces?: SharedPieces | undefined
  /** Milliseconds between two reads. */
  readonly idle: number
  /** The body is over. `isWhole`: its last byte was read, and the socket may go on. Otherwise it may not. */
  readonly over: (isWhole: boolean) => void
}

type Step = IteratorResult<Buffer, undefined>
export type Chunks = Required<Pick<AsyncIterator<Buffer, undefined>, 'next' | 'return'>>

/** The same chunks, which stay as they are. */
export function copied(chunks: Chunks): Chunks {
  return {
    async next() {
      const step = await chunks.next()
      return step.done === true ? step : { done: false, value: Buffer.from(step.value) }
    },
    return: () => chunks.return(),
  }
}

/**
 * The body of a response whose head was parsed: so many bytes from the socket, which is read only as fast as
 * they are taken. What came before a failure is delivered before it.
 */
export class DirectBody implements AsyncIterable<Buffer>, Receiver {
  readonly #options: DirectBodyOptions
  readonly #buffer: ReceiveBuffer
  /** Where the socket reads to; undefined = to `scratch`, for want of room. */
  #target: Buffer | undefined
  #isReading = false
  #reader: PromiseWithResolvers<Step> | undefined
  #failure: { readonly reason: unknown } | undefined
  #isOver = false
  #toError: (error: unknown) => unknown = (error) => error
  #received: (bytes: number) => void = () => {}

  constructor(options: DirectBodyOptions) {
    this.#options = options
    this.#buffer = new ReceiveBuffer(options.length, options.pieces)
  }

  /** What has come already. */
  begin(bytes: Buffer): void {
    this.#buffer.add(bytes)
  }

  /**
   * The chunks: see `BlobBody.reused`. To be called once.
   *
   * @param toError makes the error for the reader from the one that ended the body
   * @param received told the size of every chunk
   */
  chunks(toError = this.#toError, received = this.#received): Chunks {
    this.#toError = toError
    this.#received = received
    return {
      next: () => this.#next(),
      return: async () => {
        this.destroy()
        this.#buffer.end()
        return { done: true, value: undefined }
      },
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return copied(this.chunks())
  }

  /** Closes the connection unless the body is over. */
  destroy(reason: unknown = new errors.RequestAbortedError()): void {
    this.#fail(reason)
  }

  /** A long body is not worth reading for nothing. */
  async dump(): Promise<void> {
    this.destroy()
  }

  space(): Uint8Array {
    // Node asks once more after the last read, and TLS writes what it has left until all of it is written: into
    // an empty buffer for ever.
    if (this.#isOver) return this.#options.scratch
    this.#target = this.#buffer.space()
    return this.#target ?? this.#options.scratch.subarray(0, this.#buffer.left)
  }

  took(count: number): boolean {
    if (this.#isOver) return false
    if (this.#target !== undefined) this.#buffer.filled(count)
    else this.#buffer.add(this.#options.scratch.subarray(0, count))
    if (this.#buffer.left === 0) this.#end(true)
    else if (this.#buffer.space() === undefined) this.#stop()
    this.#deliver()
    return this.#isReading || this.#isOver
  }

  ended(): void {
    this.#fail(new errors.SocketError('other side closed'))
  }

  lost(error: Error | undefined): void {
    this.#fail(error ?? new errors.SocketError('closed'))
  }

  silent(): void {
    const { left } = this.#buffer
    // After this process was held or asleep its timers come first, and then what came meanwhile.
    setImmediate(() => {
      if (this.#isReading && this.#buffer.left === left) this.#fail(new errors.BodyTimeoutError())
    })
  }

  #next(): Promise<Step> {
    this.#buffer.release()
    this.#reader = Promise.withResolvers()
    const { promise } = this.#reader
    this.#deliver()
    this.#resume()
    return promise
  }

  #deliver(): void {
    const reader = this.#reader
    if (reader === undefined) return
    const value = this.#buffer.take()
    if (value === undefined && !this.#isOver) return
    this.#reader = undefined
    if (value !== undefined) {
      this.#received(value.length)
      reader.resolve({ done: false, value })
    } else if (this.#failure !== undefined) reader.reject(this.#toError(this.#failure.reason))
    else reader.resolve({ done: true, value: undefined })
  }

  #resume(): void {
    if (this.#isReading || this.#isOver || this.#buffer.space() === undefined) return
    this.#isReading = true
    this.#options.socket.watch(this.#options.idle)
    this.#options.socket.resume()
  }

  #stop(): void {
    this.#isReading = false
    this.#options.socket.watch(0)
  }

  #fail(reason: unknown): void {
    if (this.#isOver) return
    this.#failure = { reason }
    this.#end(false)
    this.#deliver()
  }

  #end(isWhole: boolean): void {
    this.#isOver = true
    this.#stop()
    this.#options.over(isWhole)
  }
}
