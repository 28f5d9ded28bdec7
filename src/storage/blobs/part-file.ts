import type { Digest } from '../../oci/digest.ts'
import type { IntervalSet } from '../../util/interval-set.ts'
import type { Files, OpenFile } from '../files.ts'
import { DeferredFile } from './deferred-file.ts'
import type { Paths } from '../paths.ts'
import { ignoreNotFound } from '../storage-operation.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'

/** The bytes of one digest, as one upstream sent them. */
export interface PartKey {
  readonly digest: Digest
  readonly origin?: string | undefined
}

/**
 * The file that receives the bytes of one object, and the checkpoint from which a later process resumes.
 * Short content gets a file only when it is committed or kept.
 */
export interface PartFile {
  readonly id: string
  readonly file: OpenFile
  readonly path: string
  readonly filled: IntervalSet
  /** Writes what is still in memory. */
  write(): Promise<void>
  /** Records which bytes have been written. They are hashed again before they are trusted. */
  saveCheckpoint(): Promise<void>
  removeCheckpoint(): Promise<void>
  /** Removes the file and its checkpoint. */
  remove(): Promise<void>
}

export interface PartFileOptions extends PartKey {
  readonly id: string
  readonly file: OpenFile | DeferredFile
  readonly filled: IntervalSet
  /** Identifies this boot of the machine. */
  readonly boot: string | undefined
}

type PartFolder = Pick<Files, 'readText' | 'writeText' | 'rename' | 'remove'>

export function partFile(
  { id, digest, origin, file, filled, boot }: PartFileOptions,
  files: PartFolder,
  paths: Paths,
): PartFile {
  const isNew = file instanceof DeferredFile
  /** There may be a checkpoint on the disk. */
  let hasCheckpoint = !isNew
  return {
    id,
    file,
    path: paths.part(id),
    filled,
    async write() {
      if (isNew) await file.written()
    },
    async saveCheckpoint() {
      await this.write()
      hasCheckpoint = true
      const checkpoint: Checkpoint = {
        digest,
        filled: [...filled].map(({ start, end }) => [start, end] as const),
        ...(boot !== undefined && { boot }),
        ...(origin !== undefined && { origin }),
      }
      const path = paths.checkpoint(id)
      await files.writeText(`${path}.new`, JSON.stringify(checkpoint))
      await files.rename(`${path}.new`, path)
    },
    async removeCheckpoint() {
      if (hasCheckpoint) await removeCheckpoint(id, files, paths)
    },
    async remove() {
      if (!isNew || file.isCreated) await files.remove(paths.part(id))
      if (hasCheckpoint) await removeCheckpoint(id, files, paths)
    },
  }
}

export async function removePart(id: string, files: PartFolder, paths: Paths): Promise<void> {
  await files.remove(paths.part(id))
  await removeCheckpoint(id, files, paths)
}

async function removeCheckpoint(id: string, files: PartFolder, paths: Paths): Promise<void> {
  await files.remove(`${paths.checkpoint(id)}.new`)
  await files.remove(paths.checkpoint(id))
}

/** @returns undefined when there is no checkpoint, or an invalid one */
export async function readCheckpoint(
  id: string,
  files: PartFolder,
  paths: Paths,
): Promise<Checkpoint | undefined> {
  const text = await files.readText(paths.checkpoint(id)).catch(ignoreNotFound)
  return text === undefined ? undefined : parseCheckpoint(text)
}
