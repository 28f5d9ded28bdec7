/** The decisions about a transfer, as pure functions of what is known at the moment. Sizes in bytes, times in milliseconds. */

export interface TransferPolicy {
  /** Connections that one transfer may use. */
  readonly connections: number
  /** Smaller blobs are fetched over one connection. */
  readonly segmentAbove: number
  /** A transfer that nobody follows any more is finished when this share of it is there, */
  readonly finishFrom: number
  /** or when no more than this is missing. */
  readonly finishBelow: number
  /** The wait before the second attempt after a failure; later ones wait three times as long each. */
  readonly retryDelay: number
}

/**
 * The last bytes are withheld from everyone until the digest is known to match: a client that has every byte and a clean end
 * believes what it has (Harbor PR #23911 withholds as much).
 */
export const WITHHELD = 32 * 1024

/** Attempts in a row that bring next to nothing before a transfer is given up. */
export const ATTEMPTS_WITHOUT_PROGRESS = 3

/** Bytes. An upstream that breaks off after each one of them would otherwise be asked, and waited for, for days. */
export const PROGRESS = 16 * 1024

export function worthFinishing(policy: TransferPolicy, filled: number, size: number | undefined): boolean {
  if (size === undefined) return false
  return filled >= size * policy.finishFrom || size - filled < policy.finishBelow
}

/**
 * How long to wait before the next attempt after `failures` in a row without progress, ± 50 % by `random` (0 to 1): with 400 ms to
 * begin with a registry that restarts is waited for over about five seconds, and hundreds of transfers do not come back at once.
 */
export function backoff({ retryDelay }: TransferPolicy, failures: number, random: number): number {
  return retryDelay * 3 ** (failures - 1) * (0.5 + random)
}

export interface FillProgress {
  readonly size: number | undefined
  readonly filled: number
  /** Bytes per second over the last moments. */
  readonly rate: number
  readonly connections: number
  /** This process is at its own limit: it would be no faster with more. */
  readonly isBusy: boolean
  /** How many bytes the first waiting reader is ahead of the connection on its way to it; undefined: nobody waits. */
  readonly ahead: number | undefined
}

/**
 * What another connection would be good for: `reader` = somebody waits for bytes that will be long in coming; `speed` = the rest
 * will take long at this rate. A fast upstream is left with one connection, which costs it least.
 */
export function anotherConnection(
  policy: TransferPolicy,
  progress: FillProgress,
): 'reader' | 'speed' | undefined {
  const { size, filled, rate, connections, isBusy, ahead } = progress
  if (size === undefined || connections >= policy.connections) return undefined
  const secondsFor = (bytes: number) => bytes / Math.max(rate, 1)
  if (ahead !== undefined && ahead > 0 && secondsFor(ahead) > 0.3) return 'reader'
  if (!isBusy && size >= policy.segmentAbove && secondsFor(size - filled) > 1) return 'speed'
  return undefined
}
