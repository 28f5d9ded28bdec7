import type { DirectSocket, Receiver } from './direct-socket.ts'

/** One for each download that an upstream may be asked for at once. */
const MOST = 128

/**
 * Connections that wait for another request. One that is silent for longer than was said, that ends, or that
 * brings bytes nobody asked for is closed.
 */
export class KeptSockets {
  readonly #scratch: Buffer
  /** By where they lead to, those that wait longest first. */
  readonly #byPlace = new Map<string, Set<Waiting>>()
  #count = 0
  #isClosed = false

  constructor(scratch: Buffer) {
    this.#scratch = scratch
  }

  /** Keeps `socket` for so many milliseconds. */
  keep(place: string, socket: DirectSocket, milliseconds: number): void {
    if (this.#isClosed || this.#count >= MOST || !socket.isOpen) return socket.destroy()
    const all = this.#byPlace.get(place) ?? new Set()
    this.#byPlace.set(place, all)
    const waiting = new Waiting(socket, this.#scratch, () => {
      if (!all.delete(waiting)) return
      this.#count -= 1
      if (all.size === 0) this.#byPlace.delete(place)
    })
    all.add(waiting)
    this.#count += 1
    socket.passTo(waiting)
    socket.unref()
    socket.watch(milliseconds)
    socket.resume()
  }

  /** The one that was used last; undefined when there is none. */
  take(place: string): DirectSocket | undefined {
    const waiting = [...(this.#byPlace.get(place) ?? [])].at(-1)
    if (waiting === undefined) return undefined
    waiting.gone()
    waiting.socket.watch(0)
    waiting.socket.ref()
    return waiting.socket
  }

  /** Closes all, and keeps none from now on. */
  close(): void {
    this.#isClosed = true
    for (const all of this.#byPlace.values()) for (const { socket } of all) socket.destroy()
  }
}

class Waiting implements Receiver {
  readonly socket: DirectSocket
  readonly #scratch: Buffer
  readonly gone: () => void

  constructor(socket: DirectSocket, scratch: Buffer, gone: () => void) {
    this.socket = socket
    this.#scratch = scratch
    this.gone = gone
  }

  space(): Uint8Array {
    return this.#scratch
  }

  took(): boolean {
    this.#close()
    return false
  }

  ended(): void {
    this.#close()
  }

  lost(): void {
    this.gone()
  }

  silent(): void {
    this.#close()
  }

  #close(): void {
    this.gone()
    this.socket.destroy()
  }
}
