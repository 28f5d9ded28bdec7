import { Agent, type buildConnector, Client, type Dispatcher, Pool } from 'undici'

/** Blobs have their own connections, so that manifests, tags and tokens never wait behind them. */
export type Lane = 'blobs' | 'metadata'

export interface ConnectionsOptions {
  readonly connect: buildConnector.connector
  /** Milliseconds between two pieces of a body. */
  readonly idle: number
  /** Connections to one host in the metadata lane, which those that hang and those whose body comes share. */
  readonly metadataConnections: number
}

/** What a request learns about its connection. Pass it to undici as `opaque`. */
export interface ConnectionUse {
  /** The connection existed before this request. */
  isReused?: boolean
}

/** The connections of one upstream, to every host its requests lead to. */
export class Connections {
  readonly #options: Client.Options
  readonly #limit: number
  readonly #open = new Set<Dispatcher>()
  readonly #pools: Record<Lane, Agent>

  constructor({ connect, idle, metadataConnections }: ConnectionsOptions) {
    // Our own deadlines bound the headers, from the request on.
    const bounds = { bodyTimeout: idle, headersTimeout: 0, keepAliveTimeout: 30_000 }
    this.#options = { ...bounds, connect, pipelining: 1 }
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
  onNewConnection<T>(origin: string, send: (dispatcher: Dispatcher) => T): T {
    const connection = this.#track(new Connection(origin, this.#options))
    const sent = send(connection)
    void this.#retire(connection)
    return sent
  }

  /** Lets go of the kept connections of a lane. Running requests go on. */
  renew(lane: Lane): void {
    const old = this.#pools[lane]
    this.#pools[lane] = this.#newPool(lane)
    void this.#retire(old)
  }

  /** Ends every request and connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((dispatcher) => dispatcher.destroy()))
  }

  #newPool(lane: Lane): Agent {
    const options = { ...this.#options, connections: lane === 'blobs' ? null : this.#limit }
    return this.#track(new Agent({ ...options, factory: poolOf }))
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

/** How often one request may connect. undici connects again for a request that was not sent, without end. */
const MAX_CONNECTS = 3

class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError'
  readonly code = 'CONNECTION_LOST'
}

/** One connection at a time, made again for at most `MAX_CONNECTS` times a request (SEC-89). */
class Connection extends Client {
  readonly #attempts: { count: number }

  constructor(origin: string | URL, options: Client.Options) {
    const attempts = { count: 0 }
    const dial = options.connect as buildConnector.connector
    const connect: buildConnector.connector = (target, callback) => {
      attempts.count += 1
      if (attempts.count <= MAX_CONNECTS) dial(target, callback)
      else callback(new ConnectionLostError(`${MAX_CONNECTS} connections ended before the request`), null)
    }
    super(origin, { ...options, connect })
    this.#attempts = attempts
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#attempts.count = 0
    const { opaque } = options as { opaque?: ConnectionUse }
    if (opaque != null) opaque.isReused = this.stats.connected
    return super.dispatch(options, handler)
  }
}
