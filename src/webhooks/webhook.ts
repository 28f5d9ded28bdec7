import { setTimeout as sleep } from 'node:timers/promises'
import type { HappenedEvent, WebhookResult, WebhookTelemetry } from '../ports/insight/events.ts'
import type { WebhookReport } from '../ports/insight/insight.ts'
import { type Attempt, judge, MOST_ATTEMPTS, waitAfter } from './delivery-policy.ts'
import { attemptText, type AttemptText } from './attempt-text.ts'
import { EventQueue, type QueueLimits } from './event-queue.ts'
import { signatureHeaders } from './signature.ts'

/** Sends one message. Never throws: what went wrong is the reason of the attempt. */
export type Post = (
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<Attempt>

export interface WebhookOptions {
  /** In reports, metrics and the log. It tells no secret. */
  readonly name: string
  /** Its key in the configuration, `events[0]`. */
  readonly key: string
  /** Omitted: all types. */
  readonly types?: readonly string[] | undefined
  /** Asked for each attempt: the file that holds it may change. */
  readonly secret: () => string
  readonly post: Post
  /** Ends the connections. */
  readonly close?: () => Promise<void>
  readonly telemetry: WebhookTelemetry
  /** Called when the receiver begins to fail, and with undefined when it works again. */
  readonly changed: (trouble: AttemptText | undefined) => void
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random?: () => number
  readonly limits?: QueueLimits
  /** Milliseconds that one attempt may take, the answer included. */
  readonly timeout?: number
}

const TIMEOUT = 10_000
/** Milliseconds that a process that ends tries to deliver what is left. */
const LAST_WAIT = 2_000
const LIMITS: QueueLimits = { events: 1_000, bytes: 1024 * 1024 }

/**
 * Sends events to one receiver, one at a time and in their order. An event waits in a bounded queue; one that
 * cannot be delivered is tried again, later and later, and given up after a while. Nobody waits for it.
 */
export class Webhook implements AsyncDisposable {
  readonly #options: WebhookOptions
  readonly #queue: EventQueue
  readonly #counts: Record<WebhookResult, number> = { delivered: 0, refused: 0, failed: 0, dropped: 0 }
  /** Ends a wait between two attempts. */
  readonly #closing = new AbortController()
  /** Ends an attempt. */
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  /** In a row. */
  #failures = 0
  #last: (AttemptText & { readonly at: number }) | undefined
  #deliveredAt: number | undefined

  constructor(options: WebhookOptions) {
    this.#options = options
    this.#queue = new EventQueue(options.limits ?? LIMITS)
  }

  wants({ type }: HappenedEvent): boolean {
    return this.#options.types?.includes(type) ?? true
  }

  /** `id` is of the event, in all processes; `body` is what is sent. */
  add(id: string, body: string): void {
    if (this.#closing.signal.aborted) return
    const dropped = this.#queue.add({ id, body })
    for (let i = 0; i < dropped; i++) this.#count('dropped')
    this.#tellQueued()
    this.#start()
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (this.#queue.length > 0 && !this.#closing.signal.aborted) this.#start()
    })
  }

  get report(): WebhookReport {
    const { delivered, refused, failed, dropped } = this.#counts
    return {
      name: this.#options.name,
      state: this.#last === undefined ? 'unused' : this.#failures > 0 ? 'failing' : 'up',
      queued: this.#queue.length,
      queuedBytes: this.#queue.bytes,
      delivered,
      refused,
      failed,
      dropped,
      lastDeliveredAt: this.#deliveredAt === undefined ? null : new Date(this.#deliveredAt).toISOString(),
      said: this.#last?.said ?? 'nothing was sent yet',
      advice: this.#last?.advice ?? null,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    const timer = setTimeout(() => this.#stop.abort(), LAST_WAIT)
    await this.#running
    clearTimeout(timer)
    for (; this.#queue.first !== undefined; this.#queue.shift()) this.#count('dropped')
    await this.#options.close?.()
  }

  async #run(): Promise<void> {
    for (let attempts = 1, event; (event = this.#queue.first) !== undefined; attempts++) {
      const attempt = await this.#attempt(event.id, event.body)
      const judgement = judge(attempt)
      this.#note(attempt, judgement)
      if (judgement !== 'failed' || attempts === MOST_ATTEMPTS) {
        this.#count(judgement)
        this.#queue.shift()
        this.#tellQueued()
        attempts = 0
      }
      if (judgement !== 'failed') continue
      // A process that ends tries each once, and no other after one that failed.
      if (this.#closing.signal.aborted) return
      await this.#wait(waitAfter(attempt, this.#failures, (this.#options.random ?? Math.random)()))
    }
  }

  #attempt(id: string, body: string): Promise<Attempt> {
    const { secret, now, post } = this.#options
    const message = { id, timestamp: Math.floor(now() / 1000), body }
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.timeout ?? TIMEOUT)])
    return post(body, signatureHeaders(secret(), message), signal)
  }

  async #wait(milliseconds: number): Promise<void> {
    try {
      await sleep(milliseconds, undefined, { signal: this.#closing.signal, ref: false })
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error
    }
  }

  #note(attempt: Attempt, judgement: ReturnType<typeof judge>): void {
    const { changed, now, key } = this.#options
    const wasFailing = this.#failures > 0
    const text = attemptText(attempt, key)
    this.#last = { ...text, at: now() }
    if (judgement === 'delivered') {
      this.#failures = 0
      this.#deliveredAt = now()
      if (wasFailing) changed(undefined)
    } else {
      this.#failures += 1
      if (!wasFailing) changed(text)
    }
  }

  #count(result: WebhookResult): void {
    this.#counts[result] += 1
    this.#options.telemetry.event(this.#options.name, result)
  }

  #tellQueued(): void {
    this.#options.telemetry.queued(this.#options.name, this.#queue.length)
  }
}
