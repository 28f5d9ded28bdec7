import { isRegistryError } from '../oci/errors.ts'
import type { BlobIngest } from '../oci/stores.ts'

/** Evicts until about this many bytes are free. @returns false when nothing could be evicted. */
export type MakeRoom = (bytes: number) => Promise<boolean>

const ROOM_FOR_ONE_WRITE = 64 * 1024 * 1024

/** An ingest that, when the disk is full, makes room and tries once more before it gives up. */
export function roomyIngest(ingest: BlobIngest, makeRoom: MakeRoom): BlobIngest {
  const retrying = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step()
    } catch (error) {
      const full = isRegistryError(error, 'STORAGE') && FULL.has(String(error.detail.reason))
      if (!full || !(await makeRoom(ROOM_FOR_ONE_WRITE))) throw error
      return step()
    }
  }

  return {
    filled: ingest.filled,
    write: (chunk, position) => retrying(() => ingest.write(chunk, position)),
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    commit: () => retrying(() => ingest.commit()),
    keep: () => ingest.keep(),
    [Symbol.asyncDispose]: () => ingest[Symbol.asyncDispose](),
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT'])
