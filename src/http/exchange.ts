import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CacheStatus, ReadOptions } from '../ports/read-options.ts'
import type { RequestKind } from '../ports/telemetry.ts'
import type { Principal } from '../ports/authenticator.ts'

/**
 * One request and its answer, on Node's own objects: a web Response per answer costs more than all else that a warm manifest
 * does. What is learnt on the way is kept for the log line and the metrics.
 */
export class Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** `performance.now()` */
  readonly startedAt = performance.now()
  /** As it came: nothing decoded, folded or normalised. */
  readonly path: string
  readonly isHead: boolean
  /** The authenticated client. undefined = everybody may read everything. */
  principal?: Principal
  kind?: RequestKind
  upstream?: string
  repository?: string
  /** Tag or digest. */
  reference?: string
  cacheStatus?: CacheStatus
  failure?: unknown
  /** Of the body, accepted by the kernel. */
  bytesSent = 0
  #departure?: AbortController

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.incoming = incoming
    this.outgoing = outgoing
    this.isHead = incoming.method === 'HEAD'
    const url = incoming.url!
    const mark = url.indexOf('?')
    this.path = mark < 0 ? url : url.slice(0, mark)
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.incoming.url!.slice(this.path.length))
  }

  /** The values of a query parameter. Most requests have no query at all. */
  parameters(name: string): readonly string[] {
    return this.path.length === this.incoming.url!.length ? [] : this.query.getAll(name)
  }

  /** For one question to a store. `report` is told how the answer came about. */
  asking(report = (status: CacheStatus): void => void (this.cacheStatus = status)): ReadOptions {
    return new Waiting(this, report)
  }

  /** Aborted when the client leaves. */
  get signal(): AbortSignal {
    if (this.#departure === undefined) {
      const departure = new AbortController()
      this.#departure = departure
      const { outgoing } = this
      if (outgoing.destroyed) departure.abort()
      else outgoing.once('close', () => outgoing.writableFinished || departure.abort())
    }
    return this.#departure.signal
  }

  /** The client left, or the connection failed, before the answer was complete. */
  get isAborted(): boolean {
    return this.outgoing.destroyed && !this.outgoing.writableFinished
  }
}

/**
 * Most answers come from the store without anyone looking at the signal, so it is made on demand. By a class: a getter in an
 * object literal costs V8 a hidden class per object, which keeps the whole request alive until the next full collection.
 */
class Waiting implements ReadOptions {
  readonly report: (status: CacheStatus) => void
  readonly #exchange: Exchange

  constructor(exchange: Exchange, report: (status: CacheStatus) => void) {
    this.#exchange = exchange
    this.report = report
  }

  get signal(): AbortSignal {
    return this.#exchange.signal
  }

  get partly(): boolean {
    return this.#exchange.incoming.headers.range !== undefined
  }
}
