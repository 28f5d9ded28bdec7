/** The decisions about a download, as pure functions of its state. Sizes in bytes, times in milliseconds. */
import { isRegistryError } from '../oci/errors.ts'
import { type Pace, PACE_WINDOW } from './pace.ts'

export interface DownloadPolicy {
  /** Connections that one download may use. */
  readonly connections: number
  /** Smaller blobs are fetched over one connection. */
  readonly segmentAbove: number
  /** A download without readers is finished when it has this share of the blob, */
  readonly finishFrom: number
  /** or when it misses no more than this. */
  readonly finishBelow: number
  /** The wait before the second attempt after a failure. Each later wait is three times as long. */
  readonly retryDelay: number
}

/**
 * The last bytes are withheld from every reader until the digest matches: a client that has received every
 * byte and a clean end trusts the content (Harbor PR #23911 withholds as much).
 */
export const WITHHELD = 32 * 1024

/** A download keeps its place in the queue during its commit while so many others are being committed. */
export const MOST_COMMITTING = 512

/** An attempt that brings less counts as a failure: at one byte an attempt a blob would take days. */
export const PROGRESS = 16 * 1024

/** Failures in a row after which a download is given up. */
const FAILURES_ONCE_CONFIRMED = 3
/** Before the first answer there is one quick retry: clients turn to their next mirror once we give up. */
const FAILURES_AT_FIRST = 1

/** A reader that would wait longer than this for a distant range gets a connection of its own. Seconds. */
const READER_PATIENCE = 0.3
/** A download that would take longer than this may use another connection. Seconds. */
const WORTH_SPEEDING_UP = 0.5
/**
 * Bytes per second from which on another connection is not worth what it costs: half of what this process takes
 * in.
 */
const FAST_ENOUGH = 300_000_000

/** Bytes per second. A slower download gives up its place when others wait for one. */
const MINIMUM_RATE = 1024
/** A download without readers is finished only when that takes no longer than this. Seconds. */
const SOON = 60
/** Seconds of measurement before a download counts as one that will not be finished soon. */
const MEASURED = 5

/** A running download, at one moment. */
export interface DownloadState {
  readonly filled: number
  readonly size: number | undefined
  readonly readers: number
  /** Other downloads wait for its place. */
  readonly isPlaceWanted: boolean
  readonly pace: Pick<Pace, 'seconds' | 'bytesPerSecond'>
}

/**
 * Whether a download is given up: it has no readers and is not worth finishing, or not soon; or it is so slow
 * that it holds its place for ever, and others wait. A slow download that is in nobody's way goes on.
 */
export function givesUp(
  policy: DownloadPolicy,
  { filled, size, readers, isPlaceWanted, pace }: DownloadState,
): 'unread' | 'too slow' | undefined {
  if (isPlaceWanted && pace.seconds >= PACE_WINDOW && pace.bytesPerSecond < MINIMUM_RATE) return 'too slow'
  if (readers > 0) return undefined
  if (size === undefined || !worthFinishing(policy, filled, size)) return 'unread'
  const isLong = pace.seconds >= MEASURED && size - filled > pace.bytesPerSecond * SOON
  return isLong ? 'unread' : undefined
}

function worthFinishing(policy: DownloadPolicy, filled: number, size: number): boolean {
  return filled >= size * policy.finishFrom || size - filled < policy.finishBelow
}

/**
 * The wait after `failures` in a row, ± 50 % by `random` (0 to 1). With a `retryDelay` of 400 the attempts
 * cover about five seconds, which is a registry's restart, and the spread keeps hundreds of downloads from
 * returning at once.
 */
export function backoff({ retryDelay }: DownloadPolicy, failures: number, random: number): number {
  return retryDelay * 3 ** (failures - 1) * (0.5 + random)
}

/** What is known when a connection has failed. */
export interface FailedAttempt {
  readonly error: unknown
  /** Failures in a row, including this one. */
  readonly failures: number
  /** Upstream has answered with the blob before. */
  readonly isConfirmed: boolean
  /** The attempt has shown that upstream honours no ranges. An attempt without one may succeed. */
  readonly lostRanges: boolean
  /** Open connections, including the one that failed. */
  readonly connections: number
}

/**
 * What a connection does after a failure: `stop` ends the download, `leave` ends this connection and leaves
 * its segment to the others.
 */
export function afterFailure(
  policy: DownloadPolicy,
  { error, failures, isConfirmed, lostRanges, connections }: FailedAttempt,
  random: number,
): 'stop' | 'leave' | { readonly retryIn: number } {
  if (!lostRanges && !isPassing(error, isConfirmed)) return 'stop'
  if (connections > 1) return 'leave'
  // What shows that there are no ranges happens once, and says nothing against the blob.
  const most = isConfirmed ? FAILURES_ONCE_CONFIRMED : FAILURES_AT_FIRST
  if (!lostRanges && failures > most) return 'stop'
  return { retryIn: backoff(policy, failures, random) / (isConfirmed ? 1 : 4) }
}

function isPassing(error: unknown, isConfirmed: boolean): boolean {
  return isConfirmed
    ? isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_LIMITED')
    : isRegistryError(error, 'UPSTREAM_UNAVAILABLE')
}

/** A download that upstream has confirmed, at one moment. */
export interface FetchState {
  readonly size: number
  readonly filled: number
  /** Bytes per second over the last moments, of all connections. */
  readonly rate: number
  /** Of one connection at its best, lately. */
  readonly fastest: number
  readonly connections: number
  /** How many connections it may have at the moment. */
  readonly allowed: number
  /** A connection was seen to wait for upstream, and not for this process. */
  readonly isDry: boolean
  /** The process, or its source, is at its own limit: more connections would not make it faster. */
  readonly isBusy: boolean
  /** Where readers wait, the longest wait first, and how many bytes the nearest connection is away. */
  readonly waiting: Iterable<{ readonly position: number; readonly ahead: number }>
}

/**
 * Whether another connection is worth opening: at the position of a reader that would wait long, or at the
 * next segment when the rest would take long. A fast upstream keeps one connection, which costs least.
 */
export function nextAction(
  policy: DownloadPolicy,
  state: FetchState,
): { readonly openAt: number } | 'openNext' | undefined {
  const { size, filled, rate, fastest, connections, allowed, isDry, isBusy, waiting } = state
  if (connections >= allowed) return undefined
  for (const { position, ahead } of waiting) {
    if (ahead > 0 && secondsFor(ahead, rate) > READER_PATIENCE) return { openAt: position }
  }
  const isLong = size >= policy.segmentAbove && takesLong(size - filled, rate)
  const isUpstreamSlow = isDry && Math.max(fastest, rate) < FAST_ENOUGH
  return isLong && isUpstreamSlow && !isBusy ? 'openNext' : undefined
}

/** Whether `bytes` at this rate take so long that another connection may help. */
export function takesLong(bytes: number, rate: number): boolean {
  return secondsFor(bytes, rate) > WORTH_SPEEDING_UP
}

function secondsFor(bytes: number, rate: number): number {
  return bytes / Math.max(rate, 1)
}
