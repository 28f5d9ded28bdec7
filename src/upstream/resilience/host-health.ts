import type { RegistryError } from '../../oci/errors.ts'
import { notAgain } from './circuit-breaker.ts'

/**
 * Whether the host of a registry can be reached, as its own connections show. A response of any status proves
 * that it can: what the response says is held against the repository it is about, never against the host
 * (SEC-72).
 */
export interface HostHealth {
  /** @throws RegistryError the reason, while the host is out */
  check(): void
  /** The host has sent a response. */
  responded(): void
  /** A request got no response. */
  failed(error: RegistryError, request: { readonly isPing: boolean; readonly milliseconds: number }): void
  /** A request sent `milliseconds` ago still waits for its response. */
  silent(milliseconds: number): void
  close(): void
}

export interface HostHealthOptions {
  /**
   * Sends a small request that belongs to no repository, on a new connection. It reports its outcome like
   * every request.
   */
  readonly ping: () => Promise<unknown>
  /** Called with the reason when the host is out, and without when it is back. */
  readonly changed: (reason: RegistryError | undefined) => void
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/**
 * The host is out at this weight of failures in a row. A failure that keeps a client waiting weighs as much.
 */
const THRESHOLD = 5
/** Milliseconds. */
const SLOW = 1_000
/** Milliseconds between pings while the host is out. The time doubles from ping to ping. */
const SHORTEST = 2_000
const LONGEST = 60_000
/** How a connection ends that was made. One path alone may provoke it; only a ping tells about the host. */
const AFTER_CONNECTING = new Set(['no answer in time', 'UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/**
 * Counts failures to connect. The host is out after five in a row, or after one that kept a client waiting. A
 * request that is silent, or is cut off, is no such failure: a ping finds out whether the host still answers
 * others.
 *
 * While the host is out requests are refused, whoever sends them, and pings find out when it is back.
 */
export function hostHealth({ ping, changed, now }: HostHealthOptions): HostHealth {
  let weight = 0
  let reason: RegistryError | undefined
  let wait = SHORTEST
  let isPinging = false
  let isClosed = false
  let lastResponse = -Infinity
  let timer: NodeJS.Timeout | undefined

  const sendPing = (): void => {
    if (isPinging || isClosed) return
    isPinging = true
    ping()
      // Its outcome has been reported.
      .catch(() => {})
      .finally(() => {
        isPinging = false
        if (reason !== undefined) pingLater()
      })
  }

  const pingLater = (): void => {
    clearTimeout(timer)
    if (isClosed) return
    timer = setTimeout(sendPing, wait).unref()
    wait = Math.min(LONGEST, wait * 2)
  }

  const hasRespondedWithin = (milliseconds: number): boolean => lastResponse >= now() - milliseconds

  /** A host that has sent a response since the request was sent is well. */
  const doubt = (milliseconds: number): void => {
    if (reason === undefined && !hasRespondedWithin(milliseconds)) sendPing()
  }

  return {
    check() {
      if (reason !== undefined) throw notAgain(reason)
    },
    responded() {
      weight = 0
      lastResponse = now()
      if (reason === undefined) return
      reason = undefined
      clearTimeout(timer)
      changed(undefined)
    },
    failed(error, { isPing, milliseconds }) {
      const { code, detail } = error
      if (code !== 'UPSTREAM_UNAVAILABLE' && code !== 'UPSTREAM_TIMEOUT') return
      if (!isPing && AFTER_CONNECTING.has(String(detail['reason']))) return doubt(milliseconds)
      const isSlow = code === 'UPSTREAM_TIMEOUT' || milliseconds >= SLOW
      weight += isSlow && !hasRespondedWithin(milliseconds) ? THRESHOLD : 1
      if (weight < THRESHOLD || reason !== undefined) return
      reason = error
      wait = SHORTEST
      changed(error)
      if (!isPing) pingLater()
    },
    silent: doubt,
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
