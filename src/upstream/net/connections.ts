import { Agent, type buildConnector, Client, type Dispatcher, Pool } from 'undici'
import type { Dial } from './dialer.ts'
import { DirectConnections } from './direct-connections.ts'
import { HttpSide } from './http-side.ts'

/** Blobs have their own connections, so that manifests, tags and tokens never wait behind them. */
export type Lane = 'blobs' | 'metadata'

export interface ConnectionsOptions {
  readonly connect: buildConnector.connector
  /** Connects in the lane of blobs, whose long bodies do not pass through undici. Omitted: as `connect` does. */
  readonly dial?: Dial
  /** Milliseconds between two pieces of a body. */
  readonly idle: number
  /** Connections to one host in the metadata lane, which those that hang and those whose body comes share. */
  readonly metadataConnections: number
}

/** What a request learns about its connection. Pass it to undici as `opaque`. */
export interface ConnectionUse {
  /** The connection existed before this request. */
  isReused?: boolean
  /** From which a long body can be taken over. */
  side?: HttpSide | undefined
}

/** The connections of one upstream, to every host its requests lead to. */
export class Connections {
  /** Milliseconds between two pieces of a body. */
  readonly idle: number
  readonly #options: Client.Options
  readonly #limit: number
  readonly #direct: DirectConnections | undefined
  readonly #open = new Set<Dispatcher>()
  readonly #pools: Record<Lane, Agent>

  constructor({ connect, dial, idle, metadataConnections }: ConnectionsOptions) {
    this.idle = idle
    // Our own deadlines bound the headers, from the request on.
    const bounds = { bodyTimeout: idle, headersTimeout: 0, keepAliveTimeout: KEEP_ALIVE }
    this.#options = { ...bounds, connect, pipelining: 1 }
    this.#direct = dial && new DirectConnections(dial)
    this.#limit = metadataConnections
    this.#pools = { blobs: this.#newPool('blobs'), metadata: this.#newPool('metadata') }
  }

  /** Kept connections, and new ones where none is free. */
  pool(lane: Lane): Dispatcher {
    return this.#pools[lane]
  }

  /**
   * Sends one request on a connection of its own, which closes after the response.
   *
   * @param send must call the dispatcher before it returns.
   */
  onNewConnection<T>(lane: Lane, origin: string, send: (dispatcher: Dispatcher) => T): T {
    const connect = lane === 'blobs' ? this.#direct?.connector() : undefined
    const connection = this.#track(new Connection(origin, { ...this.#options, ...(connect && { connect }) }))
    const sent = send(connection)
    void this.#retire(connection)
    return sent
  }

  /** Lets go of the kept connections of a lane. Running requests go on. */
  renew(lane: Lane): void {
    const old = this.#pools[lane]
    if (lane === 'blobs') this.#direct?.renew()
    this.#pools[lane] = this.#newPool(lane)
    void this.#retire(old)
  }

  /** Ends every request and connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((dispatcher) => dispatcher.destroy()))
    this.#direct?.close()
  }

  #newPool(lane: Lane): Agent {
    const options = { ...this.#options, factory: poolOf }
    if (lane === 'metadata') return this.#track(new Agent({ ...options, connections: this.#limit }))
    const connect = this.#direct?.keepingConnector()
    return this.#track(new Agent({ ...options, ...(connect && { connect }), connections: null }))
  }

  #track<D extends Dispatcher>(dispatcher: D): D {
    this.#open.add(dispatcher)
    return dispatcher
  }

  async #retire(dispatcher: Dispatcher): Promise<void> {
    try {
      await dispatcher.close()
    } catch (error) {
      // `close()` above destroyed it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'UND_ERR_DESTROYED') throw error
    } finally {
      this.#open.delete(dispatcher)
    }
  }
}

function poolOf(origin: string | URL, options: object): Dispatcher {
  return new Pool(origin, { ...options, factory: connectionOf })
}

function connectionOf(origin: string | URL, options: object): Dispatcher {
  return new Connection(origin, options)
}

/** Milliseconds that a connection without a request is kept, unless the other side asks for less. */
export const KEEP_ALIVE = 30_000

/** How often one request may connect. undici connects again for a request that was not sent, without end. */
const MAX_CONNECTS = 3

class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError'
  readonly code = 'CONNECTION_LOST'
}

/** One connection at a time, made again for at most `MAX_CONNECTS` times a request (SEC-89). */
class Connection extends Client {
  readonly #state: ConnectionState

  constructor(origin: string | URL, options: Client.Options) {
    const state: ConnectionState = { connects: 0, side: undefined, use: undefined }
    const dial = options.connect as buildConnector.connector
    const connect: buildConnector.connector = (target, callback) => {
      state.connects += 1
      if (state.connects > MAX_CONNECTS) {
        return callback(new ConnectionLostError(`${MAX_CONNECTS} connections ended before the request`), null)
      }
      dial(target, (...result) => {
        const [, socket] = result as unknown as [unknown, unknown]
        state.side = socket instanceof HttpSide ? socket : undefined
        if (state.use != null) tell(state.use, state.side?.isReused === true, state.side)
        callback(...result)
      })
    }
    super(origin, { ...options, connect })
    this.#state = state
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const state = this.#state
    const { opaque } = options as { opaque?: ConnectionUse }
    state.connects = 0
    state.use = opaque
    if (opaque != null) tell(opaque, this.stats.connected, state.side)
    return super.dispatch(options, handler)
  }
}

interface ConnectionState {
  /** Of the request that was sent last. */
  connects: number
  use: ConnectionUse | null | undefined
  side: HttpSide | undefined
}

function tell(use: ConnectionUse, isReused: boolean, side: HttpSide | undefined): void {
  use.isReused = isReused
  use.side = side
}
