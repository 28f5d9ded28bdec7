import type { IncomingMessage } from 'node:http'
import { isRegistryError } from '../oci/errors.ts'
import type { Exchange } from './exchange.ts'
import { requestLines, type RequestRecord } from './access-log-line.ts'

/** The part of pino that this room uses. */
export interface Logger {
  error(fields: object, message: string): void
}

/** Where lines of the log go. */
export interface LineSink {
  /** Takes one or more whole lines. */
  write(lines: string): void
  /** Takes the lines of `source` with its next batch, within 100 ms. */
  writeLater(source: LineSource): void
}

export interface LineSource {
  /** The lines that were not taken yet. */
  takeLines(): string
}

export interface AccessLogOptions {
  readonly sink: LineSink
  /** Read for each request: it may change while the process runs. `errors`: only failed requests. */
  readonly mode: () => boolean | 'errors'
  /** The trace of a request. Omitted where tracing is off. */
  readonly traceId?: ((incoming: IncomingMessage) => string | undefined) | undefined
  /** Requests that may wait for their lines to be made. */
  readonly capacity?: number
}

/**
 * Logs one line for each request that has ended. Only plain fields of it are kept at first. The lines are
 * made in batches after the answers have left: made at once, each line would delay the answers that are ready
 * in the same turn of the event loop, and spoil their being written together.
 */
export class AccessLog implements LineSource {
  readonly #sink: LineSink
  readonly #mode: AccessLogOptions['mode']
  /** Used over and over, so that keeping a request allocates nothing. */
  readonly #records: RequestRecord[]
  readonly #traceId: AccessLogOptions['traceId']
  readonly #lineOf = requestLines()
  #count = 0

  constructor({ sink, mode, traceId, capacity = 1024 }: AccessLogOptions) {
    this.#sink = sink
    this.#mode = mode
    this.#traceId = traceId
    this.#records = Array.from({ length: capacity }, emptyRecord)
  }

  /** `status` is 499 when the client left before the answer began. */
  add(exchange: Exchange, status: number): void {
    const mode = this.#mode()
    const isAborted = exchange.isAborted && !exchange.isOpenEnded
    if (mode === false || (mode === 'errors' && status < 400 && !isAborted)) return
    if (this.#count === this.#records.length) this.#sink.write(this.takeLines())
    if (this.#count === 0) this.#sink.writeLater(this)
    const { incoming, failure } = exchange
    const { headers } = incoming
    const record = this.#records[this.#count++]!
    record.time = Date.now()
    record.ms = performance.now() - exchange.startedAt
    record.method = incoming.method!
    record.kind = exchange.kind
    record.client = exchange.client
    record.userAgent = headers['user-agent']
    record.requestId = exchange.requestId
    record.traceId = this.#traceId?.(incoming)
    record.identity = exchange.principal?.identity
    record.upstream = exchange.upstream
    record.repository = exchange.repository
    record.reference = exchange.reference
    record.path = exchange.path
    record.range = headers.range
    record.status = status
    record.bytes = exchange.bytesSent
    record.cache = exchange.cacheStatus?.result
    record.cost = exchange.cost
    record.isAborted = isAborted
    record.failure = failure !== undefined && isRegistryError(failure) ? failure : undefined
  }

  takeLines(): string {
    let lines = ''
    const records = this.#records
    for (let at = 0; at < this.#count; at++) {
      const record = records[at]!
      lines += this.#lineOf(record)
      // What a client chooses may be long.
      record.userAgent = record.range = record.cost = record.failure = undefined
      record.path = ''
    }
    this.#count = 0
    return lines
  }
}

function emptyRecord(): RequestRecord {
  return {
    time: 0,
    ms: 0,
    method: '',
    kind: undefined,
    client: '',
    userAgent: undefined,
    requestId: '',
    traceId: undefined,
    identity: undefined,
    upstream: undefined,
    repository: undefined,
    reference: undefined,
    path: '',
    range: undefined,
    status: 0,
    bytes: 0,
    cache: undefined,
    cost: undefined,
    isAborted: false,
    failure: undefined,
  }
}
