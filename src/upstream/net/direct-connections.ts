import { setImmediate as afterPoll } from 'node:timers/promises'
import { callbackify } from 'node:util'
import type { buildConnector } from 'undici'
import type { Dial, Target } from './dialer.ts'
import { DirectSocket } from './direct-socket.ts'
import { HttpSide, READ } from './http-side.ts'
import { SharedPieces } from '../body/shared-pieces.ts'
import { KeptSockets } from './kept-sockets.ts'

/** Connections whose long bodies do not pass through undici, which connects by them. */
export class DirectConnections {
  readonly #dial: Dial
  /** What is read is copied at once, so that one buffer does for all. */
  readonly #scratch = Buffer.allocUnsafeSlow(READ)
  readonly #pieces = new SharedPieces()
  readonly #open = new Set<DirectSocket>()
  #kept = new KeptSockets(this.#scratch)

  constructor(dial: Dial) {
    this.#dial = dial
  }

  /** Connects anew each time. A connection closes after a body that was taken over. */
  connector(): buildConnector.connector {
    return asConnector((target) => this.#connect(target, (socket) => socket.destroy()))
  }

  /** Takes a kept connection where there is one, and keeps those whose body was taken over and read. */
  keepingConnector(): buildConnector.connector {
    const kept = this.#kept
    return asConnector(async (target) => {
      const place = placeOf(target)
      const keep = (socket: DirectSocket, milliseconds: number) => kept.keep(place, socket, milliseconds)
      for (let socket; (socket = kept.take(place)) !== undefined;) {
        const side = this.#sideOf(socket, true, keep)
        // What the other side has sent meanwhile, its end for example, is seen before a request is sent.
        await afterPoll()
        if (side.isIdle) return side
        side.destroy()
      }
      return this.#connect(target, keep)
    })
  }

  /** Lets go of the connections that are kept. Those that `keepingConnector` made are kept no more. */
  renew(): void {
    this.#kept.close()
    this.#kept = new KeptSockets(this.#scratch)
  }

  /** Ends every connection. */
  close(): void {
    this.#kept.close()
    for (const socket of this.#open) socket.destroy()
  }

  async #connect(target: Target, keep: HttpSide['keep']): Promise<unknown> {
    const socket = new DirectSocket()
    const side = this.#sideOf(socket, false, keep)
    const dialled = await this.#dial(target, socket.onread)
    if (!dialled.isDirect) return dialled.socket
    this.#open.add(socket)
    dialled.socket.once('close', () => this.#open.delete(socket))
    socket.opened(dialled.socket)
    return side
  }

  #sideOf(socket: DirectSocket, isReused: boolean, keep: HttpSide['keep']): HttpSide {
    return new HttpSide({ socket, scratch: this.#scratch, pieces: this.#pieces, isReused, keep })
  }
}

// undici wants a stream, and no more of a socket than that.
function asConnector(connect: (target: Target) => Promise<unknown>): buildConnector.connector {
  return callbackify(connect) as unknown as buildConnector.connector
}

function placeOf({ protocol, hostname, port, servername }: Target): string {
  return `${protocol}//${hostname}:${port} ${servername ?? ''}`
}
