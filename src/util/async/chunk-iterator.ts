import type { Readable } from 'node:stream'

/** Chunks that wait for their reader before the stream is paused. */
const WAITING = 4

/**
 * The chunks of a stream as they arrived. The stream's own iterator joins chunks, which copies every byte
 * once more, and a generator around it costs more promises than a chunk is worth: a layer of 512 MiB has
 * eight thousand chunks.
 *
 * @param toError makes the error for the reader from the one that ended the stream.
 */
export class ChunkIterator implements AsyncIterator<Buffer, undefined> {
  readonly #body: Readable
  readonly #toError: (error: unknown) => unknown
  readonly #chunks: Buffer[] = []
  #reader: PromiseWithResolvers<IteratorResult<Buffer, undefined>> | undefined
  #end: { readonly failure?: unknown } | undefined

  constructor(body: Readable, toError: (error: unknown) => unknown) {
    this.#body = body
    this.#toError = toError
    if (body.errored !== null) this.#finish({ failure: body.errored })
    else {
      body
        .on('data', (chunk: Buffer) => this.#take(chunk))
        .on('end', () => this.#finish({}))
        .on('error', (failure: unknown) => this.#finish({ failure }))
        .on('close', () => this.#finish({ failure: new Error('the body was closed before its end') }))
    }
  }

  /** Must not be called again before its promise settles. */
  next(): Promise<IteratorResult<Buffer, undefined>> {
    const value = this.#chunks.shift()
    if (value !== undefined) {
      if (this.#chunks.length === 0 && this.#body.isPaused()) this.#body.resume()
      return Promise.resolve({ done: false, value })
    }
    this.#reader = Promise.withResolvers()
    const { promise } = this.#reader
    if (this.#end !== undefined) this.#settle(this.#end)
    return promise
  }

  /** Closes the connection unless the body has ended. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#chunks.length = 0
    this.#body.destroy()
    return Promise.resolve({ done: true, value: undefined })
  }

  #take(value: Buffer): void {
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      reader.resolve({ done: false, value })
    } else if (this.#chunks.push(value) >= WAITING) this.#body.pause()
  }

  /** The first event that ends the stream counts. */
  #finish(end: { readonly failure?: unknown }): void {
    this.#end ??= end
    this.#settle(this.#end)
  }

  #settle(end: { readonly failure?: unknown }): void {
    const reader = this.#reader
    this.#reader = undefined
    if ('failure' in end) reader?.reject(this.#toError(end.failure))
    else reader?.resolve({ done: true, value: undefined })
  }
}
