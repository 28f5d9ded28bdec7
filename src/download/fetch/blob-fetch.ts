import { setTimeout as delay } from 'node:timers/promises'
import type { BlobIngest } from '../../ports/blob-store.ts'
import { ConcurrencyProbe } from './concurrency-probe.ts'
import { Connection, type FetchOutcome } from './connection.ts'
import { afterFailure, type DownloadPolicy, nextAction, PROGRESS } from '../download-policy.ts'
import type { Source } from '../download-request.ts'
import type { FetchObserver, FetchOptions } from './fetch-options.ts'
import { BEAT, type Beating } from '../heartbeat.ts'
import type { Purpose } from './open-bodies.ts'
import { RateMeter } from './rate-meter.ts'
import { RecentBytes } from './recent-bytes.ts'
import { Representation } from './representation.ts'
import { SegmentPlan } from './segment-plan.ts'
import type { Segment } from './segments.ts'

/** Beats until the rate is known well enough to judge by it. */
const WARM_UP = 2

/** Brings every missing byte of one blob into the store, over one connection or several. */
export class BlobFetch implements Beating {
  /** What the connections wrote last. */
  readonly recent = new RecentBytes()
  readonly #ingest: BlobIngest
  readonly #source: Source
  readonly #policy: DownloadPolicy
  readonly #observer: FetchObserver
  readonly #representation: Representation
  readonly #plan: SegmentPlan
  readonly #probe: ConcurrencyProbe
  readonly #meter = new RateMeter(BEAT)
  readonly #finished = Promise.withResolvers<void>()
  /** Ends the other connections when one has failed for good. */
  readonly #stop = new AbortController()
  #signal = this.#stop.signal
  #connections = 0
  /** The only connection waits before it tries again. No other one may try meanwhile. */
  #isPaused = false
  #isMissing = false
  #failure: { readonly reason: unknown } | undefined

  constructor({ ingest, source, expectedSize, policy, observer }: FetchOptions) {
    this.#ingest = ingest
    this.#source = source
    this.#policy = policy
    this.#observer = observer
    this.#representation = new Representation(expectedSize)
    this.#plan = new SegmentPlan(ingest.filled, this.#representation)
    this.#probe = new ConcurrencyProbe(policy.connections)
  }

  get connections(): number {
    return this.#connections
  }

  get attempts(): number {
    return this.#plan.sent
  }

  /** Bytes per second over the last moments. */
  get rate(): number {
    return this.#meter.rate
  }

  /**
   * Fetches until no byte is missing. What it fetched is not verified.
   *
   * @returns the size, or undefined when the source does not have the blob.
   * @throws the error of the connection that failed first, or the signal's reason.
   */
  async run(signal: AbortSignal): Promise<number | undefined> {
    this.#signal = AbortSignal.any([signal, this.#stop.signal])
    this.#open(this.#plan.first(), 'speed')
    await this.#finished.promise
    if (this.#failure !== undefined) throw this.#failure.reason
    return this.#isMissing ? undefined : this.#representation.size
  }

  /** Opens another connection where it is worth one. */
  beat(isBusy: boolean): void {
    const { size, isConfirmed } = this.#representation
    const meter = this.#meter
    meter.tick(this.#connections)
    if (this.#connections === 0 || this.#isPaused || this.#signal.aborted) return
    if (!isConfirmed || size === undefined) return
    this.#plan.review()
    if (meter.age < WARM_UP) return
    this.#probe.judge(meter.rate, this.#connections, meter.age)
    if (!this.#plan.mayOpenAnother) return
    const action = nextAction(this.#policy, {
      size,
      filled: this.#ingest.filled.size,
      rate: meter.rate,
      fastest: meter.fastest,
      connections: this.#connections,
      allowed: this.#probe.allowed,
      isDry: this.#plan.isDry,
      isBusy: isBusy || this.#representation.isFollowed,
      waiting: this.#waiting(size),
    })
    if (action === undefined) return
    if (action !== 'openNext') {
      this.#open(this.#plan.at(action.openAt), 'reader')
    } else if (!this.#probe.isRunning) {
      const segment = this.#plan.another()
      if (segment === undefined) return
      this.#open(segment, 'speed')
      this.#probe.begin(meter.rate, this.#connections, meter.age)
    }
  }

  *#waiting(size: number) {
    for (const position of this.#observer.positions()) {
      yield { position, ahead: this.#plan.distanceTo(position) ?? size }
    }
  }

  #open(segment: Segment | undefined, purpose: Purpose): void {
    if (segment === undefined) return
    this.#connections += 1
    void this.#work(segment, purpose)
  }

  async #work(segment: Segment, purpose: Purpose): Promise<void> {
    try {
      await this.#fetchAll(segment, purpose)
    } catch (reason) {
      this.#failure ??= { reason }
      this.#stop.abort(reason)
    }
    this.#connections -= 1
    if (this.#connections === 0) this.#finish()
  }

  /** Runs when the last connection leaves. Fetches what the others gave up just before. */
  #finish(): void {
    const isOver = this.#failure !== undefined || this.#isMissing
    const rest = isOver ? undefined : this.#nextSegment('speed')
    if (rest === undefined) this.#finished.resolve()
    else this.#open(rest, 'speed')
  }

  async #fetchAll(first: Segment, purpose: Purpose): Promise<void> {
    const connection = this.#connect()
    let failures = 0
    for (let segment: Segment | undefined = first; segment !== undefined;) {
      const from: number = segment.position
      const couldRange = this.#representation.hasRanges !== false
      let outcome: FetchOutcome | undefined
      try {
        this.#plan.send(segment, connection)
        outcome = await connection.run(segment, this.#signal)
        if (outcome === 'missing') {
          this.#isMissing = true
          return
        }
        failures = 0
      } catch (error) {
        const progress = segment.position - from
        failures = progress >= PROGRESS ? 1 : failures + 1
        const next = this.#afterFailure(error, { failures, progress, couldRange })
        if (next === 'stop') throw error
        if (next === 'leave') return
        await this.#pause(next.retryIn)
        this.#observer.resumed()
      } finally {
        if (outcome !== 'left') this.#plan.release(segment)
      }
      // What it left is not complete: the rest follows over another request.
      if (outcome !== 'left') segment = this.#nextSegment(purpose)
    }
  }

  #afterFailure(
    error: unknown,
    { failures, progress, couldRange }: { failures: number; progress: number; couldRange: boolean },
  ): ReturnType<typeof afterFailure> {
    const { isConfirmed, hasRanges } = this.#representation
    const connections = this.#connections
    if (connections > 1 && progress === 0) this.#probe.limit(connections - 1, this.#meter.age)
    if (this.#signal.aborted) return 'stop'
    const lostRanges = couldRange && hasRanges === false
    return afterFailure(
      this.#policy,
      { error, failures, isConfirmed, lostRanges, connections },
      Math.random(),
    )
  }

  #connect(): Connection {
    return new Connection({
      source: this.#source,
      ingest: this.#ingest,
      representation: this.#representation,
      recent: this.recent,
      confirmed: () => {
        this.#meter.begin()
        this.#observer.confirmed(this.#representation.size)
      },
      answered: () => this.#plan.review(),
      wrote: (bytes) => {
        this.#meter.add(bytes)
        this.#observer.wrote(bytes)
      },
    })
  }

  async #pause(milliseconds: number): Promise<void> {
    this.#isPaused = true
    // Node's own abort of a timer would be an error of no kind that readers know.
    await delay(milliseconds, undefined, { signal: this.#signal }).catch(() => this.#signal.throwIfAborted())
    this.#isPaused = false
  }

  /** A connection opened for a reader ends with its segment. The others go on while there are segments. */
  #nextSegment(purpose: Purpose): Segment | undefined {
    if (!this.#representation.isConfirmed) return this.#plan.first()
    if (this.#connections <= 1) return this.#plan.alone()
    const mayGoOn = purpose === 'speed' && this.#connections <= this.#probe.allowed
    return mayGoOn ? this.#plan.beside(this.#meter.rate / this.#connections) : undefined
  }
}
