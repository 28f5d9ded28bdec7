import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { BlobIngest, BlobStore, OpenedBlob } from '../ports/blob-store.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import type { Evictor, Reservation } from './evictor.ts'

/** When the disk is full although there should be room. */
const ROOM_FOR_ONE_WRITE = 64 * 1024 * 1024
/** Room is promised in such steps while nobody knows how long the content is. */
const STEP = 4 * 1024 * 1024

/**
 * A store whose content has room before it is written: what it will take is reserved, and evicted for. Where there is none the
 * ingest fails with RegistryError STORAGE, reason EDQUOT, as it would on a full disk; a disk that is full all the same is made
 * room on, once for each step.
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
        return roomyIngest(await store.ingest(expected), reservation, evictor.makeRoom, noRoom)
      } catch (error) {
        reservation[Symbol.dispose]()
        throw error
      }
    },
  }
}

function roomyIngest(
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
      if (size === undefined) await reach(position + chunk.length, STEP)
      else await reach(size)
      const written = await retrying(() => ingest.write(chunk, position))
      reservation.written = filled.size
      return written
    },
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    async commit() {
      await reach(filled.filledFrom(0))
      const descriptor = await retrying(() => ingest.commit())
      reservation[Symbol.dispose]()
      return descriptor
    },
    keep: () => ingest.keep(),
    async [Symbol.asyncDispose]() {
      await ingest[Symbol.asyncDispose]()
      reservation[Symbol.dispose]()
    },
  }

  async function reach(end: number, step = 1): Promise<void> {
    if (end <= reservation.size) return
    const stepped = Math.ceil(end / step) * step
    // The last step may be too long where the content itself is not.
    if (!(await reservation.grow(stepped)) && !(await reservation.grow(end))) throw noRoom()
  }

  async function retrying<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      const full = isRegistryError(error, 'STORAGE') && FULL.has(String(error.detail['reason']))
      if (!full || !(await makeRoom(ROOM_FOR_ONE_WRITE))) throw error
      return step()
    }
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT'])
