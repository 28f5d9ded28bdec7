import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorDetail, isRegistryError, RegistryError } from '../oci/errors.ts'
import type { Interval } from '../util/interval-set.ts'
import type { BlobIngest } from '../ports/blob-store.ts'
import type { BlobBody } from '../ports/upstream.ts'
import { type Claim, Claims } from './segments.ts'
import { ConnectionTrials } from './concurrency-probe.ts'
import { gatherer, type Pieces } from './write-buffer.ts'
import type { RecentBytes } from './recent-bytes.ts'
import { speedometer } from './rate-meter.ts'
import {
  anotherConnection,
  ATTEMPTS_WITHOUT_PROGRESS,
  backoff,
  PROGRESS,
  type TransferPolicy,
} from './download-policy.ts'

/** Asks upstream for the blob, or for a range of it. */
export type BlobSource = (
  range: Partial<Interval> | undefined,
  signal: AbortSignal,
) => Promise<BlobBody | undefined>

export interface FillOptions {
  readonly ingest: BlobIngest
  readonly source: BlobSource
  /** From the manifest's descriptor, where one was seen. */
  readonly expectedSize: number | undefined
  readonly policy: TransferPolicy
  readonly signal: AbortSignal
  /** The positions readers wait for, the longest wait first. */
  readonly demands: () => Iterable<number>
  /** Called once, when upstream has said that the blob exists; `size` is undefined if it did not say how long it is. */
  readonly begun: (size: number | undefined) => void
  /** Told of bytes that have just been written. */
  readonly progressed: (bytes: number) => void
  readonly recent: RecentBytes
  readonly resumed: () => void
}

export interface Fill {
  /** Resolves with the size when every byte is there (unverified), with undefined when upstream does not have the blob. */
  readonly done: Promise<number | undefined>
  readonly connections: number
  readonly attempts: number
  /** Bytes per second over the last moments. */
  readonly rate: number
}

/** What a connection was opened for: bytes that a reader waits for far ahead, or to be done sooner. */
type Purpose = 'reader' | 'speed'

/** Bytes one connection takes at a time when several work on one blob. */
const SEGMENT = 8 * 1024 * 1024
const TICK = 100
/** The share of time in which the event loop had something to do. */
const BUSY = 0.85
const MISSING = Symbol('upstream does not have it')

/** Brings every missing byte of one blob into `ingest`, over one connection or several, until all are there or it cannot be done. */
export function fill(options: FillOptions): Fill {
  const { ingest, source, policy, demands } = options
  const claims = new Claims(ingest.filled, SEGMENT)
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const speed = speedometer(TICK)
  const { promise: done, resolve, reject } = Promise.withResolvers<number | undefined>()

  let size = options.expectedSize
  let etag: string | undefined
  let ranges: boolean | undefined
  let begun = false
  let attempts = 0
  let connections = 0
  const trials = new ConnectionTrials(policy.connections)
  /** The last connection waits before it tries again: nobody else is to try meanwhile. */
  let paused = false
  let failure: unknown

  let load = performance.eventLoopUtilization()
  let isBusy = false

  const timer = setInterval(() => {
    const before = load
    load = performance.eventLoopUtilization()
    isBusy = performance.eventLoopUtilization(load, before).utilization > BUSY
    speed.tick()
    grow()
  }, TICK)
  start(firstClaim())

  return {
    done,
    get connections() {
      return connections
    },
    get attempts() {
      return attempts
    },
    get rate() {
      return speed.rate
    },
  }

  function start(claim: Claim | undefined, purpose: Purpose = 'speed'): void {
    if (claim === undefined) return
    connections += 1
    void work(claim, purpose)
  }

  /** Called by whoever leaves last; bytes that others gave up just before are fetched then. */
  function finish(): void {
    const rest = failure === undefined ? nextClaim('speed') : undefined
    if (rest !== undefined) return start(rest)
    clearInterval(timer)
    if (failure === MISSING) resolve(undefined)
    else if (failure === undefined) resolve(size)
    else reject(failure as Error)
  }

  /** What is on disk was not proved to be ours to serve, so even when nothing is missing upstream is asked for a byte. */
  function firstClaim(): Claim {
    const claim = claims.takeGap(size ?? Infinity)
    return claim ?? { position: Math.max(0, (size ?? 0) - 1), end: size ?? Infinity }
  }

  /** A connection that was opened for a reader ends with its segment, others go on as long as there are segments. */
  function nextClaim(purpose: Purpose): Claim | undefined {
    if (!begun) return firstClaim()
    const end = size ?? Infinity
    if (connections <= 1) return ranges === false ? claims.takeRest(end) : claims.takeGap(end)
    return purpose === 'speed' && connections <= trials.allowed ? claims.takeNext(end) : undefined
  }

  async function work(first: Claim, purpose: Purpose): Promise<void> {
    try {
      await fetchAll(first, purpose)
    } catch (error) {
      failure ??= error
      stop.abort(error)
    }
    connections -= 1
    if (connections === 0) finish()
  }

  async function fetchAll(first: Claim, purpose: Purpose): Promise<void> {
    let failures = 0
    let claim: Claim | undefined = first
    const pieces: Pieces = []
    while (claim !== undefined) {
      const before: number = claim.position
      const couldRange = ranges !== false
      try {
        attempts += 1
        await fetchClaim(claim, pieces)
        failures = 0
      } catch (error) {
        if (isRegistryError(error, 'RANGE_INVALID')) ranges = false
        if (claim.position - before >= PROGRESS) failures = 0
        if (connections > 1 && claim.position === before) trials.limit(connections - 1, speed.age)
        failures += 1
        const again = isPassing(error, begun) || (couldRange && ranges === false)
        const limit = begun ? ATTEMPTS_WITHOUT_PROGRESS : 1
        if (signal.aborted || !again || (connections === 1 && failures > limit)) throw error
        claims.release(claim)
        if (connections > 1) return
        await pause(failures)
        options.resumed()
      }
      claims.release(claim)
      claim = nextClaim(purpose)
    }
  }

  async function pause(failures: number): Promise<void> {
    paused = true
    await delay(backoff(policy, failures, Math.random()) / (begun ? 1 : 4), undefined, { signal })
    paused = false
  }

  async function fetchClaim(claim: Claim, pieces: Pieces): Promise<void> {
    const range = rangeFor(claim)
    const body = await source(range, signal)
    if (body === undefined)
      throw begun ? new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'gone' }) : MISSING
    try {
      accept(body, claim, range !== undefined)
    } catch (error) {
      // Unread, it would keep its connection for as long as upstream does.
      await body[Symbol.asyncIterator]().return?.()
      throw error
    }
    const bodyEnd = range?.end ?? size ?? Infinity
    const gathered = gatherer(pieces, (bytes) => store(claim, bytes))
    let at = body.start
    let next = claim.position
    try {
      for await (const chunk of body) {
        const from = Math.max(0, next - at)
        at += chunk.length
        if (size !== undefined && at > size) throw contradiction({ reason: 'longer than announced', size })
        if (from >= chunk.length) continue
        const part = chunk.subarray(from, from + Math.max(0, claim.end - next))
        next += part.length
        await gathered.add(part)
        // Reading on to the body's own end lets the connection be used again; leaving it earlier closes it.
        if (next >= claim.end && at !== bodyEnd) return
      }
    } finally {
      await gathered.flush()
      options.recent.release(claim)
    }
    if (size === undefined) {
      size = claim.position
      claim.end = size
    }
    if (claim.position < claim.end) {
      throw new RegistryError('UPSTREAM_UNAVAILABLE', {
        reason: 'body ended early',
        size,
        received: claim.position,
      })
    }
  }

  async function store(claim: Claim, bytes: Buffer): Promise<void> {
    const { position } = claim
    const written = await ingest.write(bytes, position, size)
    // What was there before counts, and is what will be verified: upstream may have sent something else this time.
    if (written === bytes.length) options.recent.hold(claim, bytes, position)
    else options.recent.release(claim)
    claim.position += bytes.length
    speed.add(bytes.length)
    options.progressed(bytes.length)
  }

  function rangeFor(claim: Claim): Partial<Interval> | undefined {
    if (ranges === false || (claim.position === 0 && claim.end >= (size ?? Infinity))) return undefined
    return claim.end >= (size ?? Infinity)
      ? { start: claim.position }
      : { start: claim.position, end: claim.end }
  }

  /** @throws when the body's bytes cannot be appended where `claim` stands. */
  function accept(body: BlobBody, claim: Claim, asked: boolean): void {
    if (size !== undefined && body.total !== undefined && body.total !== size) {
      throw contradiction({ reason: 'another size', expected: size, actual: body.total })
    }
    size ??= body.total
    if (size !== undefined) claim.end = Math.min(claim.end, size)
    const changed = etag !== undefined && body.etag !== undefined && body.etag !== etag
    const isMisplaced = body.start !== (asked ? claim.position : 0)
    if (isMisplaced || (asked && changed)) {
      ranges = false
      throw contradiction({ reason: 'the range was ignored, or is of something else', start: body.start })
    }
    etag ??= body.etag
    if (asked) ranges = true
    if (!begun) {
      begun = true
      options.begun(size)
    }
  }

  function wanted(others: number): { reason?: Purpose; position?: number } {
    if (size === undefined || ranges === false) return {}
    const state = { size, filled: ingest.filled.size, rate: speed.rate, connections: others, isBusy }
    const limits = { ...policy, connections: trials.allowed }
    for (const position of demands()) {
      const ahead = claims.distanceTo(position) ?? size
      if (anotherConnection(limits, { ...state, ahead }) === 'reader') return { reason: 'reader', position }
    }
    return anotherConnection(limits, { ...state, ahead: undefined }) === 'speed' ? { reason: 'speed' } : {}
  }

  function grow(): void {
    if (!begun || size === undefined || paused || signal.aborted || connections === 0 || speed.age < 2) return
    trials.judge(speed.rate, connections, speed.age)
    const { reason, position } = wanted(connections)
    if (reason === 'reader') start(claims.takeAt(position!, size), 'reader')
    if (reason !== 'speed' || trials.isRunning) return
    start(claims.takeNext(size) ?? claims.takeOver())
    trials.begin(speed.rate, connections, speed.age)
  }
}

function contradiction(detail: ErrorDetail): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', detail)
}

/** Before the first answer only one quick second try is made: clients fall back to their next registry as soon as we give up. */
function isPassing(error: unknown, begun: boolean): boolean {
  return begun
    ? isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_LIMITED')
    : isRegistryError(error, 'UPSTREAM_UNAVAILABLE')
}
