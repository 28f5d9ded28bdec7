import { join } from 'node:path'
import { ALGORITHMS } from '../oci/digest.ts'
import type { Files } from './files.ts'
import { checkFormat, writeFormat } from './format.ts'
import { type Lock, type LockWait, waitForLock } from './lock.ts'
import type { Paths } from './paths.ts'
import { codeOf, ignoreNotFound } from './storage-operation.ts'

export interface StoreFolder {
  readonly lock: Lock
  /** Other users had access to the folder until now, so the files in it may be readable for them. */
  readonly wasOpen: boolean
}

/**
 * Claims the folder of the store and creates what is missing in it. @throws Error which says why it cannot be
 * used
 */
export async function openFolder(files: Files, paths: Paths, wait: LockWait): Promise<StoreFolder> {
  const { root, ingest, blobs } = paths
  await files.makeFolder(root)
  await checkFormat(files, paths)
  const lock = await waitForLock(paths.lock, wait)
  try {
    if (!(await checkFormat(files, paths))) await writeFormat(files, paths)
    const wasOpen = await restrict(files, root)
    await files.makeFolder(ingest)
    for (const algorithm of ALGORITHMS) await files.makeFolder(join(blobs, algorithm))
    await files.syncFolder(blobs)
    await files.syncFolder(root)
    for (const algorithm of ALGORITHMS) await checkMove(files, ingest, join(blobs, algorithm))
    return { lock, wasOpen }
  } catch (error) {
    lock.release({ unfinished: true })
    throw error
  }
}

/** Creates the folder again when somebody has removed it while the store is open. */
export async function restoreFolder(files: Files, paths: Paths): Promise<void> {
  await files.makeFolder(paths.ingest)
  const format = await files.readText(paths.format).catch(ignoreNotFound)
  if (format === undefined) await writeFormat(files, paths)
}

/** @returns false also for a folder of another user, which that user has opened for this process */
async function restrict(files: Files, path: string): Promise<boolean> {
  try {
    return await files.restrict(path)
  } catch (error) {
    if (codeOf(error) === 'EPERM') return false
    throw error
  }
}

/** Downloads are renamed into place, which works on one file system only. @throws Error when there are two */
async function checkMove(files: Files, from: string, to: string): Promise<void> {
  const [source, target] = [join(from, 'probe'), join(to, 'probe')]
  try {
    await files.writeText(source, '')
    await files.rename(source, target)
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') return
    throw new Error(
      `${to} and ${from} are on different file systems: downloads are moved from one to the other, ` +
        'so storage.root has to be on one',
      { cause: error },
    )
  } finally {
    await files.remove(source)
    await files.remove(target)
  }
}
