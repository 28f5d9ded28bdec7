import type { IncomingMessage } from 'node:http'
import { isRegistryError } from '../oci/errors.ts'
import type { Exchange } from './exchange.ts'
import { requestLines } from './access-log-line.ts'

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
  /**
   * Characters of lines that may wait for the sink to take them. Few, for strings that outlive a collection of
   * V8's young generation cost more than the lines.
   */
  readonly mostWaiting?: number
}

/**
 * Logs one line for each request that has ended. The answers that are ready in one turn of the event loop have
 * all been written when the first of them ends (`Outbox`), so making its line delays none of them.
 */
export class AccessLog implements LineSource {
  readonly #sink: LineSink
  readonly #mode: AccessLogOptions['mode']
  readonly #mostWaiting: number
  readonly #traceId: AccessLogOptions['traceId']
  readonly #lineOf = requestLines()
  #lines = ''

  constructor({ sink, mode, traceId, mostWaiting = 2 * 1024 }: AccessLogOptions) {
    this.#sink = sink
    this.#mode = mode
    this.#traceId = traceId
    this.#mostWaiting = mostWaiting
  }

  /** `status` is 499 when the client left before the answer began; `ms`: what it took. */
  add(exchange: Exchange, status: number, ms: number): void {
    const mode = this.#mode()
    const isAborted = exchange.isAborted && !exchange.isOpenEnded
    if (mode === false || (mode === 'errors' && status < 400 && !isAborted)) return
    const isFirst = this.#lines === ''
    const { incoming, failure } = exchange
    const { headers } = incoming
    this.#lines += this.#lineOf({
      time: Date.now(),
      ms,
      method: incoming.method!,
      kind: exchange.kind,
      client: exchange.client,
      userAgent: headers['user-agent'],
      requestId: exchange.requestId,
      traceId: this.#traceId?.(incoming),
      identity: exchange.principal?.identity,
      upstream: exchange.upstream,
      repository: exchange.repository,
      reference: exchange.reference,
      subject: exchange.subject,
      path: exchange.path,
      range: headers.range,
      status,
      bytes: exchange.bytesSent,
      cache: exchange.cacheStatus?.result,
      cost: exchange.cost,
      isAborted,
      failure: failure !== undefined && isRegistryError(failure) ? failure : undefined,
    })
    if (this.#lines.length > this.#mostWaiting) this.#sink.write(this.takeLines())
    else if (isFirst) this.#sink.writeLater(this)
  }

  takeLines(): string {
    const lines = this.#lines
    this.#lines = ''
    return lines
  }
}
