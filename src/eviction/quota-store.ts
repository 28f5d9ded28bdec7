import { RegistryError } from '../oci/errors.ts'
import type { BlobIngest, BlobStore, ExpectedContent, OpenedBlob } from '../ports/blob-store.ts'
import type { IngestTelemetry } from '../ports/telemetry.ts'
import { retryWhenDiskFull } from './disk-full.ts'
import type { Limit } from './eviction-policy.ts'
import type { Evictor } from './evictor.ts'
import type { Reservation } from './reservations.ts'

/**
 * Bytes of room taken at a time, where it is free: each time asks the index and the disk, which takes a tenth of
 * a millisecond.
 */
const STEP = 16 * 1024 * 1024

/**
 * A store that keeps its limits: room is taken, and evicted for, as the bytes of content come, before they
 * are written; in the share of the upstream that sends them too. A promise of a size, by a manifest or a
 * header, evicts nothing (SEC-70). When there is no room, the ingest fails like on a full disk, with
 * RegistryError STORAGE, reason EDQUOT and the limit. When the disk is full all the same, see `disk-full.ts`.
 */
export function quotaStore<Opened extends OpenedBlob>(
  store: BlobStore<Opened>,
  evictor: Pick<Evictor, 'reserve' | 'limitFor' | 'makeRoom'>,
  telemetry: IngestTelemetry,
): BlobStore<Opened> {
  const noRoom = (limit?: Limit): RegistryError => {
    telemetry.failed('reserve', limit ?? 'EDQUOT')
    const detail = limit === undefined ? {} : { limit }
    return new RegistryError('STORAGE', { operation: 'reserve', reason: 'EDQUOT', ...detail })
  }
  return {
    stat: (digest, options) => store.stat(digest, options),
    open: (digest, options) => store.open(digest, options),
    delete: (...digests) => store.delete(...digests),
    async ingest(expected) {
      const reservation = await evictor.reserve(expected.size ?? 0, expected.origin)
      if (typeof reservation === 'string') throw noRoom(reservation)
      try {
        const ingest = await retryWhenDiskFull(() => store.ingest(expected), evictor.makeRoom)
        return reservingIngest(ingest, expected, reservation, evictor, {
          noRoom,
          stored: telemetry.stored,
        })
      } catch (error) {
        reservation[Symbol.dispose]()
        throw error
      }
    },
  }
}

function reservingIngest(
  ingest: BlobIngest,
  expected: Pick<ExpectedContent, 'size' | 'origin'>,
  reservation: Reservation,
  { makeRoom, limitFor }: Pick<Evictor, 'limitFor' | 'makeRoom'>,
  {
    noRoom,
    stored,
  }: { readonly noRoom: (limit?: Limit) => RegistryError; readonly stored: IngestTelemetry['stored'] },
): BlobIngest {
  const { filled } = ingest
  let knownSize = expected.size
  reservation.hold(filled.size)

  return {
    filled,
    async write(chunk, position, size = knownSize) {
      if (size !== knownSize) await learn(size!)
      // Segments arrive at several places: what counts is how many bytes there are.
      await takeRoom(filled.size + chunk.length, size ?? Infinity)
      const written = await retryWhenDiskFull(() => ingest.write(chunk, position, size), makeRoom)
      reservation.written = filled.size
      return written
    },
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    async commit() {
      await takeRoom(filled.size, filled.size)
      const descriptor = await retryWhenDiskFull(() => ingest.commit(), makeRoom)
      reservation[Symbol.dispose]()
      stored(descriptor.digest)
      return descriptor
    },
    keep: () => ingest.keep(),
    async [Symbol.asyncDispose]() {
      await ingest[Symbol.asyncDispose]()
      reservation[Symbol.dispose]()
    },
  }

  /** Content that cannot fit is refused at once, before anything is evicted for it. */
  async function learn(size: number): Promise<void> {
    const limit = await limitFor(size, expected.origin, filled.size)
    if (limit !== undefined) throw noRoom(limit)
    knownSize = size
  }

  async function takeRoom(end: number, size: number): Promise<void> {
    if (end <= reservation.size) return
    const ahead = Math.min(Math.ceil(end / STEP) * STEP, Math.max(end, size))
    if (!(await reservation.grow(end, ahead))) throw noRoom(reservation.refusedBy)
  }
}
