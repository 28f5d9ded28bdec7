import type { Connection } from './connection.ts'
import type { Segment } from './segments.ts'

/**
 * Bytes that the sockets of both sides and the network hold at most, of a body that is left before its end.
 */
const UNDER_WAY = 6 * 1024 * 1024
/** The share of a blob that may arrive in vain, so that a reader need not wait, */
const SHARE_FOR_READERS = 0.08
/** or so that the blob is there sooner: as little as does not show in what it costs upstream. */
const SHARE_FOR_SPEED = 0.004

/** Why a body is divided. */
export type Purpose = 'reader' | 'speed'

const SHARES: Readonly<Record<Purpose, number>> = { reader: SHARE_FOR_READERS, speed: SHARE_FOR_SPEED }

/** What receives a body. */
export type BodyReader = Pick<Connection, 'isDry' | 'look' | 'leave'>

/**
 * The bodies that the connections of a download receive. When a segment is divided, its body goes on beyond
 * its end, and what is under way when the connection leaves arrives in vain. They keep what a blob costs
 * upstream close to its size: a body is left at the end of its segment only when the download can afford it,
 * otherwise at a moment when its socket is empty, which is soon where upstream is the slow side.
 */
export class OpenBodies {
  readonly #connections = new Map<Segment, BodyReader>()
  /** Bytes that have arrived in vain. */
  #spent = 0

  /** Upstream is the slow side of one of them. */
  get isDry(): boolean {
    return [...this.#connections.values()].some(({ isDry }) => isDry)
  }

  /** `connection` fetches `segment` from now on. */
  hold(segment: Segment, connection: BodyReader): void {
    this.#connections.set(segment, connection)
  }

  /** The connection of `segment` is done with it. */
  release(segment: Segment): void {
    this.#spent += surplusOf(segment)
    this.#connections.delete(segment)
  }

  /**
   * Whether `segment` may be divided at `end`. `size`: of the blob. `mayLeave`: there is a request to spare.
   */
  mayDivide(size: number, segment: Segment, end: number, mayLeave: boolean, purpose: Purpose): boolean {
    if (this.#affords(size * SHARES[purpose], segment, end)) return true
    const connection = this.#connections.get(segment)
    return mayLeave && connection?.isDry === true
  }

  /**
   * Has those left that cost too much. `mayLeave`: upstream has shown that it honours ranges, and there is a
   * request to spare for the rest of a segment.
   */
  review(size: number, mayLeave: boolean): void {
    for (const [segment, connection] of this.#connections) {
      connection.look(() => {
        // It may have gone on to another segment meanwhile.
        const isHeld = this.#connections.get(segment) === connection
        if (isHeld && mayLeave && !this.#affords(size * SHARE_FOR_SPEED, segment, segment.end))
          connection.leave()
      })
    }
  }

  #affords(most: number, divided: Segment, end: number): boolean {
    const cost = surplusOf({ ...divided, end })
    if (cost === 0) return true
    let bytes = this.#spent + cost
    for (const segment of this.#connections.keys()) if (segment !== divided) bytes += surplusOf(segment)
    return bytes <= most
  }
}

/** What arrives in vain, at most, when the body of `segment` is left at the end of the segment. */
function surplusOf({ end, bodyEnd = end }: Segment): number {
  return Math.min(UNDER_WAY, Math.max(0, bodyEnd - end))
}
