import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Principal } from '../ports/authenticator.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressGroup } from '../util/address-group.ts'
import type { SubjectText } from './access-log-line.ts'
import type { AnswerRoom } from './answer-room.ts'
import type { ClientPace } from './client-pace.ts'
import { Outbox } from './send.ts'
import type { CacheStatus, ReadOptions } from '../ports/read-options.ts'
import { SCHEMA1_DECIDED_BY, takesSchema1, takesUnsigned } from './headers/accept.ts'
import type { RequestKind } from '../ports/telemetry.ts'
import { Turns } from './server/turns.ts'

/** Milliseconds that a request waits at most before upstream is asked. */
const LONGEST_WAIT = 15_000
/** What an answer counts for before it is known how much it weighs, of a client that had to wait. */
const UNKNOWN_WEIGHT = 128 * 1024

/** Made once: the stack of an error costs more than the rest of leaving. */
const LEFT = new DOMException('the client has left', 'AbortError')

/**
 * One request and its answer, on Node's own objects: to make a web Response would cost more than all other
 * work on a warm manifest. The exchange also collects what the log line and the metrics report.
 */
export class Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** `performance.now()` */
  readonly startedAt = performance.now()
  /** The path as the client sent it: not decoded, folded or normalised. */
  readonly path: string
  readonly isHead: boolean
  /** The address of the client. */
  readonly client: string
  /** Names the request in logs, here and elsewhere. */
  readonly requestId: string
  /** Sends answers that are in memory. */
  readonly outbox: Outbox
  readonly #turns: Turns
  /** The authenticated client. undefined = everybody may read everything. */
  principal?: Principal
  kind?: RequestKind
  upstream?: string
  repository?: string
  /** A tag or a digest. */
  reference?: string
  /** Keeps, with the path, how the log tells what was asked for. */
  subject?: SubjectText
  cacheStatus?: CacheStatus
  failure?: unknown
  /** containerd's `?ns=`, which the answer repeats. */
  namespace?: string
  /** What the person who pulls should know. */
  warning?: string
  /** What was sent upstream for this answer. Unset when nothing was. */
  cost?: { requests: number; seconds: number }
  /** Clients that leave what upstream was asked for, and wait before it is asked again. */
  leaving?: ClientPace
  /** Clients for which much was read, and which wait before upstream is asked for more than blobs. */
  reading?: ClientPace
  /** Where long answers from memory have room. Without it, all have. */
  room?: AnswerRoom
  /** Upstream was asked, whether or not it has answered. */
  hasAsked = false
  /** The client may be sent elsewhere for a blob. */
  mayRedirect = false
  /** Bytes of the body that the kernel has accepted. */
  bytesSent = 0
  /** Those that it has accepted when the answer has ended well. */
  bytesAtEnd = 0
  #abort?: AbortController

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    requestId = '',
    client = incoming.socket.remoteAddress ?? '',
    outbox = new Outbox(),
    turns = new Turns(),
  ) {
    this.incoming = incoming
    this.outgoing = outgoing
    this.client = client
    this.requestId = requestId
    this.outbox = outbox
    this.#turns = turns
    this.isHead = incoming.method === 'HEAD'
    const url = incoming.url!
    const mark = url.indexOf('?')
    this.path = mark < 0 ? url : url.slice(0, mark)
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.incoming.url!.slice(this.path.length))
  }

  /** The values of a query parameter. Returns early for the many requests without a query. */
  parameters(name: string): readonly string[] {
    return this.path.length === this.incoming.url!.length ? [] : this.query.getAll(name)
  }

  /**
   * Options for one read. `report` receives how the answer came about. `isByTag`: the client gets what it
   * takes.
   */
  readOptions(
    report = (status: CacheStatus): void => void (this.cacheStatus = status),
    isByTag = false,
  ): ReadOptions {
    return new ExchangeReadOptions(this, report, isByTag)
  }

  /**
   * Aborts when the client leaves. Made when it is first read: most answers come from the store without it.
   */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController()
      this.#abort = abort
      const { outgoing } = this
      if (outgoing.destroyed) abort.abort(LEFT)
      else outgoing.once('close', () => outgoing.writableFinished || this.inTurn(() => abort.abort(LEFT)))
    }
    return this.#abort.signal
  }

  /** Runs what follows when the client has left: of one that leaves with hundreds of requests, in turns. */
  inTurn(task: () => void): void {
    this.#turns.run(addressGroup(this.client), task)
  }

  /** Who pays for what is done: the authenticated client, or its address. */
  get owner(): string {
    return this.principal?.identity ?? addressGroup(this.client)
  }

  /** As `ReadOptions.beforeAsking`. */
  beforeAsking(): Promise<void> | undefined {
    const delay = this.#delay()
    if (delay > 0) return this.#askLater(delay)
    this.hasAsked = true
    return undefined
  }

  #delay(): number {
    const reading = this.kind === 'blob' ? 0 : (this.reading?.wait(this.owner) ?? 0)
    return Math.max(reading, this.leaving?.wait(this.client) ?? 0)
  }

  /** Those that wait are let go one after the other: what the first one is for may weigh much. */
  async #askLater(first: number): Promise<void> {
    const until = performance.now() + LONGEST_WAIT
    for (let delay = first; delay > 0; delay = this.#delay()) {
      const left = until - performance.now()
      if (left <= 0) break
      await sleep(Math.min(delay, left), undefined, { signal: this.signal })
    }
    if (this.kind !== 'blob') this.reading?.spent(this.owner, UNKNOWN_WEIGHT)
    this.hasAsked = true
  }

  /** Whether the client asked for a range up to the end: containerd leaves when it has its part of it. */
  get isOpenEnded(): boolean {
    return this.incoming.headers.range?.trimEnd().endsWith('-') === true
  }

  /** Whether the client left, or the connection failed, before the answer was complete. */
  get isAborted(): boolean {
    return this.outgoing.destroyed && !this.outgoing.writableFinished
  }
}

/**
 * A class, because a getter in an object literal costs V8 a hidden class per object, which keeps the request
 * alive.
 */
class ExchangeReadOptions implements ReadOptions {
  readonly report: (status: CacheStatus) => void
  readonly #exchange: Exchange
  readonly #isByTag: boolean

  constructor(exchange: Exchange, report: (status: CacheStatus) => void, isByTag: boolean) {
    this.#exchange = exchange
    this.#isByTag = isByTag
    this.report = report
  }

  get signal(): AbortSignal {
    return this.#exchange.signal
  }

  get client(): string {
    return this.#exchange.owner
  }

  beforeAsking(): Promise<void> | undefined {
    return this.#exchange.beforeAsking()
  }

  asked(seconds: number): void {
    const cost = (this.#exchange.cost ??= { requests: 0, seconds: 0 })
    cost.requests += 1
    cost.seconds += seconds
  }

  weighed(weight: number): void {
    const { reading, owner } = this.#exchange
    reading?.spent(owner, weight)
  }

  /** Whoever reads it gives an answer that depends on request headers: other caches are told. */
  get refusesSchema1(): boolean | 'unsigned' {
    if (!this.#isByTag) return false
    const { incoming, outgoing } = this.#exchange
    outgoing.setHeader('Vary', SCHEMA1_DECIDED_BY)
    if (!takesSchema1(incoming.headers)) return true
    return takesUnsigned(incoming.headers) ? false : 'unsigned'
  }

  get partly(): boolean {
    return this.#exchange.incoming.headers.range !== undefined
  }

  get mayRedirect(): boolean {
    return this.#exchange.mayRedirect
  }
}
