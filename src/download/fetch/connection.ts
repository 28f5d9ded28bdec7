import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { BlobIngest } from '../../ports/blob-store.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { Source } from '../download-request.ts'
import type { Representation } from './representation.ts'
import { RecentLooks } from './recent-looks.ts'
import type { Segment } from './segments.ts'
import type { RecentBytes } from './recent-bytes.ts'
import { WriteBuffer } from './write-buffer.ts'

/** What all connections of a download share. */
export interface Route {
  readonly source: Source
  readonly ingest: BlobIngest
  readonly representation: Representation
  readonly recent: RecentBytes
  /** Called once, when the source has confirmed that it has the blob. */
  confirmed(): void
  /** The source has answered a request as it was asked. */
  answered(): void
  /** `bytes` more have been written. */
  wrote(bytes: number): void
}

export type FetchOutcome = 'complete' | 'missing' | 'left'

/** Brings one segment after another from the source into the store. */
export class Connection {
  readonly #route: Route
  #segment: Segment = { position: 0, end: 0 }
  #leaving = new AbortController()
  readonly #looks = new RecentLooks()
  /** Bytes of bodies, those included that were of no use. */
  #received = 0
  /** What it waits for. */
  #state: 'idle' | 'receiving' | 'storing' = 'idle'

  constructor(route: Route) {
    this.#route = route
  }

  /**
   * Fetches `segment`, and advances its position by what it writes. Its end may move down meanwhile.
   *
   * @returns `missing` when the source does not have the blob, and has never said that it has; `left` when
   *   the segment is not complete because of `leave`.
   * @throws RegistryError when the segment is not complete; its position says how far it got.
   */
  async run(segment: Segment, signal: AbortSignal): Promise<FetchOutcome> {
    this.#leaving = new AbortController()
    const { signal: leaving } = this.#leaving
    try {
      return await this.#fetch(segment, AbortSignal.any([signal, leaving]))
    } catch (error) {
      if (!leaving.aborted || signal.aborted || isRegistryError(error, 'STORAGE')) throw error
      return segment.position >= segment.end ? 'complete' : 'left'
    }
  }

  /** Leaves the body where it is now. */
  leave(): void {
    this.#leaving.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'body left' }))
  }

  /** Mostly when one looked of late, nothing of its body waited in the socket: upstream is the slow side. */
  get isDry(): boolean {
    return this.#looks.isDry
  }

  /** Finds out, within this turn of the event loop, whether its socket is empty. Calls `dry` if so. */
  look(dry: () => void): void {
    const received = this.#received
    setImmediate(() => {
      // Between two bodies there is nothing to see.
      if (this.#state === 'idle') return
      const isEmpty = this.#state === 'receiving' && this.#received === received
      this.#looks.add(isEmpty)
      if (isEmpty) dry()
    })
  }

  async #fetch(segment: Segment, signal: AbortSignal): Promise<'complete' | 'missing'> {
    const { representation, source } = this.#route
    this.#segment = segment
    const range = representation.rangeFor({ start: segment.position, end: segment.end })
    segment.bodyEnd = range?.end ?? representation.end
    const body = await source.open(range, signal).catch((error: unknown) => {
      // A range that is refused or answered with nonsense says nothing against the whole blob.
      const isOfRange = range !== undefined && isRegistryError(error, 'UPSTREAM_INVALID')
      if (isOfRange || isRegistryError(error, 'RANGE_INVALID')) representation.loseRanges()
      throw error
    })
    if (body === undefined) {
      if (!representation.isConfirmed) return 'missing'
      throw new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'blob no longer there' })
    }
    const isFirst = !representation.isConfirmed
    try {
      representation.accept(body, range)
    } catch (error) {
      // An unread body would keep its connection for as long as upstream does.
      await body[Symbol.asyncIterator]().return?.()
      throw error
    }
    segment.end = Math.min(segment.end, representation.end)
    segment.bodyEnd = Math.min(segment.bodyEnd, representation.end)
    if (isFirst) this.#route.confirmed()
    this.#route.answered()
    await this.#receive(body, segment, range?.end)
    segment.end = Math.min(segment.end, representation.end)
    if (segment.position >= segment.end) return 'complete'
    const detail = { reason: 'body ended early', size: representation.size, received: segment.position }
    throw new RegistryError('UPSTREAM_UNAVAILABLE', detail)
  }

  async #receive(body: BlobBody, segment: Segment, rangeEnd: number | undefined): Promise<void> {
    const { ingest, representation, recent } = this.#route
    const bodyEnd = rangeEnd ?? representation.end
    let received = body.start
    let next = segment.position
    const buffer = new WriteBuffer((bytes) => this.#write(bytes), {
      expected: segment.end - next,
      copies: body.reused === undefined,
    })
    const chunks = (body.reused ?? body)[Symbol.asyncIterator]()
    try {
      this.#state = 'receiving'
      for (let step = await chunks.next(); step.done !== true; step = await chunks.next()) {
        const chunk = step.value
        this.#received += chunk.length
        const skipped = Math.max(0, next - received)
        received += chunk.length
        if (received > representation.end) {
          const detail = { reason: 'body longer than announced', size: representation.size }
          throw new RegistryError('UPSTREAM_INVALID', detail)
        }
        if (skipped >= chunk.length) continue
        const part = chunk.subarray(skipped, skipped + Math.max(0, segment.end - next))
        next += part.length
        this.#state = 'storing'
        await buffer.add(part)
        this.#state = 'receiving'
        // A body that is read to its end leaves the connection reusable; one that is left earlier closes it.
        if (next >= segment.end && received !== bodyEnd) return
      }
      if (rangeEnd === undefined) representation.endedAt(received)
    } finally {
      this.#state = 'idle'
      try {
        await buffer.flush()
      } finally {
        // The end of a whole blob is read when its hash is known.
        if (ingest.filled.size !== representation.size) recent.release(this)
        await chunks.return?.()
      }
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    const { ingest, representation, recent } = this.#route
    const segment = this.#segment
    const written = await ingest.write(bytes, segment.position, representation.size)
    // Bytes that were there before count, and are verified: upstream may have sent other ones this time.
    if (written === bytes.length) recent.hold(this, bytes, segment.position)
    else recent.release(this)
    segment.position += bytes.length
    this.#route.wrote(bytes.length)
  }
}
