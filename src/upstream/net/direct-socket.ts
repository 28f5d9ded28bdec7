import type { OnReadOpts, Socket } from 'node:net'

/** Takes what a socket receives. */
export interface Receiver {
  /** Where the next bytes go. Asked after every read. */
  space(): Uint8Array
  /** So many bytes are in the buffer that `space` returned last. @returns whether to go on reading */
  took(count: number): boolean
  /** The other side sends no more. */
  ended(): void
  lost(error: Error | undefined): void
  /** Nothing came for the time that was set. */
  silent(): void
}

/**
 * A socket that reads into buffers of its receiver, which may be another one for every part of a response.
 * Node then neither allocates a buffer for each read nor passes it through a stream.
 */
export class DirectSocket {
  /** To be passed to `net.connect` or `tls.connect`. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#receiver.space(),
    callback: (count) => this.#receiver.took(count),
  }
  #receiver!: Receiver
  #socket: Socket | undefined
  #failure: Error | undefined

  /** `socket` was made with `onread`, after a receiver was set. */
  opened(socket: Socket): void {
    this.#socket = socket
    socket
      .on('error', (error) => void (this.#failure = error))
      .on('end', () => this.#receiver.ended())
      .on('close', () => this.#receiver.lost(this.#failure))
      .on('timeout', () => this.#receiver.silent())
    if (socket.destroyed) this.#receiver.lost(socket.errored ?? undefined)
  }

  get isOpen(): boolean {
    return this.#socket?.destroyed === false
  }

  /** `receiver` takes what comes from now on; what is read next still goes where the last one said. */
  passTo(receiver: Receiver): void {
    this.#receiver = receiver
  }

  /** Reads on after a receiver wanted no more. */
  resume(): void {
    this.#socket?.resume()
  }

  /** Has the receiver told when nothing comes for so many milliseconds; 0 = never. */
  watch(milliseconds: number): void {
    this.#socket?.setTimeout(milliseconds)
  }

  write(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    this.#socket!.write(bytes, done)
  }

  end(done: () => void): void {
    this.#socket!.end(done)
  }

  ref(): void {
    this.#socket?.ref()
  }

  unref(): void {
    this.#socket?.unref()
  }

  destroy(): void {
    this.#socket?.destroy()
  }
}
