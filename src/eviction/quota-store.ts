import { RegistryError } from '../oci/errors.ts'
import type { BlobIngest, BlobStore, OpenedBlob } from '../ports/blob-store.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { retryWhenDiskFull } from './disk-full.ts'
import type { Evictor } from './evictor.ts'
import type { Reservation } from './reservations.ts'

/** Bytes reserved at a time while the size of the content is unknown. */
const STEP = 4 * 1024 * 1024

/**
 * A store that keeps its limits: room for content is reserved, and evicted for, before the content is
 * written. When there is none, the ingest fails like on a full disk, with RegistryError STORAGE, reason
 * EDQUOT. When the disk is full all the same, see `disk-full.ts`.
 */
export function quotaStore<Opened extends OpenedBlob>(
  store: BlobStore<Opened>,
  evictor: Pick<Evictor, 'reserve' | 'makeRoom'>,
  telemetry: Pick<StoreTelemetry, 'failed'>,
): BlobStore<Opened> {
  const noRoom = (): RegistryError => {
    telemetry.failed('reserve')
    return new RegistryError('STORAGE', { operation: 'reserve', reason: 'EDQUOT' })
  }
  return {
    stat: (digest, options) => store.stat(digest, options),
    open: (digest, options) => store.open(digest, options),
    delete: (...digests) => store.delete(...digests),
    async ingest(expected) {
      const reservation = await evictor.reserve(expected.size ?? 0)
      if (reservation === undefined) throw noRoom()
      try {
        return reservingIngest(await store.ingest(expected), reservation, evictor.makeRoom, noRoom)
      } catch (error) {
        reservation[Symbol.dispose]()
        throw error
      }
    },
  }
}

function reservingIngest(
  ingest: BlobIngest,
  reservation: Reservation,
  makeRoom: Evictor['makeRoom'],
  noRoom: () => RegistryError,
): BlobIngest {
  const { filled } = ingest
  reservation.written = filled.size

  return {
    filled,
    async write(chunk, position, size) {
      if (size === undefined) await reserveTo(position + chunk.length, STEP)
      else await reserveTo(size)
      const written = await retryWhenDiskFull(() => ingest.write(chunk, position), makeRoom)
      reservation.written = filled.size
      return written
    },
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    async commit() {
      await reserveTo(filled.filledFrom(0))
      const descriptor = await retryWhenDiskFull(() => ingest.commit(), makeRoom)
      reservation[Symbol.dispose]()
      return descriptor
    },
    keep: () => ingest.keep(),
    async [Symbol.asyncDispose]() {
      await ingest[Symbol.asyncDispose]()
      reservation[Symbol.dispose]()
    },
  }

  async function reserveTo(end: number, step = 1): Promise<void> {
    if (end <= reservation.size) return
    const stepped = Math.ceil(end / step) * step
    // The last step may exceed the limit where the content itself does not.
    if (!(await reservation.grow(stepped)) && !(await reservation.grow(end))) throw noRoom()
  }
}
