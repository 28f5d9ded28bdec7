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
  /** Another replica finds that the host is out, or is back. A ping finds out whether it is so here. */
  heard(isOut: boolean): void
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
  /** Left out: there are no other replicas. */
  readonly neighbours?: HostNeighbours | undefined
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** The other replicas, as far as this host is concerned. */
export interface HostNeighbours {
  /** This replica finds by itself that the host is out, or is back. */
  tell(isOut: boolean): void
  /** Whether this replica pings now, and the others do not for so many milliseconds. */
  mayProbe(milliseconds: number): Promise<boolean>
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
/** Milliseconds after which a replica pings although it is the turn of others: its network may be the only one. */
const LONGEST_TURN = 2 * LONGEST
/** Milliseconds between two pings because of what others tell: one of them may have a network that comes and goes. */
const HEARD_EVERY = 2_000
/** How a connection ends that was made. One path alone may provoke it; only a ping tells about the host. */
const AFTER_CONNECTING = new Set(['no answer in time', 'UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/**
 * Counts failures to connect. The host is out after five in a row, or after one that kept a client waiting. A
 * request that is silent, or is cut off, is no such failure: a ping finds out whether the host still answers
 * others.
 *
 * While the host is out requests are refused, whoever sends them, and pings find out when it is back. Of several
 * replicas one pings at a time. What the others tell is a reason to ping, and nothing more: the network of one
 * replica may be broken alone.
 */
export function hostHealth({ ping, changed, neighbours, now }: HostHealthOptions): HostHealth {
  let weight = 0
  let reason: RegistryError | undefined
  let wait = SHORTEST
  let isPinging = false
  let isClosed = false
  let lastResponse = -Infinity
  let lastPing = -Infinity
  let lastHeard = -Infinity
  /** The last ping was sent because another replica has told something. Its outcome may come after its deadline. */
  let isChecking = false
  let timer: NodeJS.Timeout | undefined
  let heardTimer: NodeJS.Timeout | undefined

  const sendPing = (isCheck = false): void => {
    if (isPinging || isClosed) return
    isPinging = true
    isChecking = isCheck
    lastPing = now()
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
    const next = Math.min(LONGEST, wait * 2)
    timer = setTimeout(() => (neighbours === undefined ? sendPing() : void takeTurn(neighbours, next)), wait)
    timer.unref()
    wait = next
  }

  const takeTurn = async ({ mayProbe }: HostNeighbours, milliseconds: number): Promise<void> => {
    const isMine = await mayProbe(milliseconds)
    if (reason === undefined || isPinging) return
    if (isMine || now() - lastPing >= LONGEST_TURN) sendPing()
    else pingLater()
  }

  /** @param found undefined when the host is back */
  const become = (found: RegistryError | undefined): void => {
    reason = found
    changed(found)
    // The others know it who have told it.
    if (!isChecking) neighbours?.tell(found !== undefined)
  }

  const hear = (isOut: boolean, toldAt: number): void => {
    clearTimeout(heardTimer)
    if (isClosed || isOut === (reason !== undefined)) return
    // Here it has answered since.
    if (isOut && lastResponse > toldAt) return
    const wait = Math.max(lastHeard + HEARD_EVERY, isOut ? lastResponse + SLOW : 0) - now()
    // What was told meanwhile may be so.
    if (wait > 0 || isPinging) {
      heardTimer = setTimeout(hear, Math.max(wait, SLOW), isOut, toldAt).unref()
      return
    }
    lastHeard = now()
    clearTimeout(timer)
    sendPing(true)
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
      clearTimeout(timer)
      become(undefined)
    },
    failed(error, { isPing, milliseconds }) {
      const { code, detail } = error
      if (code !== 'UPSTREAM_UNAVAILABLE' && code !== 'UPSTREAM_TIMEOUT') return
      if (!isPing && AFTER_CONNECTING.has(String(detail['reason']))) return doubt(milliseconds)
      const isSlow = code === 'UPSTREAM_TIMEOUT' || milliseconds >= SLOW
      const isConfirmed = isPing && isChecking
      weight += (isConfirmed || isSlow) && !hasRespondedWithin(milliseconds) ? THRESHOLD : 1
      if (weight < THRESHOLD || reason !== undefined) return
      wait = SHORTEST
      become(error)
      if (!isPing) pingLater()
    },
    silent: doubt,
    heard: (isOut) => hear(isOut, now()),
    close() {
      isClosed = true
      clearTimeout(timer)
      clearTimeout(heardTimer)
    },
  }
}
