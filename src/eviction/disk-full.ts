import { isRegistryError } from '../oci/errors.ts'
import type { Evictor } from './evictor.ts'

/** Bytes freed when the disk is full although the limits of the store are kept. */
const ROOM_FOR_ONE_WRITE = 64 * 1024 * 1024

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * What happens at ENOSPC: runs `step`; if the disk is full, evicts content and runs `step` again, once. When
 * nothing can be evicted, or the disk is still full, the error is thrown, and the download passes through
 * without being stored (`download/pass-through.ts`).
 */
export async function retryWhenDiskFull<T>(
  step: () => Promise<T>,
  makeRoom: Evictor['makeRoom'],
): Promise<T> {
  try {
    return await step()
  } catch (error) {
    const isFull = isRegistryError(error, 'STORAGE') && FULL.has(String(error.detail['reason']))
    if (!isFull || !(await makeRoom(ROOM_FOR_ONE_WRITE))) throw error
    return step()
  }
}
