import { link, lstat, stat } from 'node:fs/promises'
import { type Digest, digestFrom, hasherFor } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { BlobStore } from '../../ports/blob-store.ts'
import type { Files } from '../files.ts'
import type { ContentIndex } from '../index/content-index.ts'
import type { Paths } from '../paths.ts'
import { codeOf, ignoreNotFound } from '../storage-operation.ts'

/** What became of a file that was offered to the store. */
export interface Adopted {
  /** `present`: the store had it. `damaged`: its bytes are not those of its digest. */
  readonly how: 'linked' | 'copied' | 'present' | 'missing' | 'damaged'
  /** Bytes. */
  readonly size: number
}

export interface AdoptOptions {
  readonly mediaType: string
  /** Never share the file, also where the file system could. */
  readonly copy: boolean
}

/** Takes over a file of somebody else, which is not changed. A file that cannot be linked is copied. */
export type AdoptFile = (path: string, digest: Digest, options: AdoptOptions) => Promise<Adopted>

export interface AdoptingOptions {
  readonly files: Pick<Files, 'open' | 'remove' | 'makeFolder' | 'syncFolder'>
  readonly paths: Paths
  readonly content: Pick<ContentIndex, 'find' | 'add'>
  readonly blobs: Pick<BlobStore, 'ingest'>
}

const PIECE = 1024 * 1024
/** Why a file system refuses a hard link. */
const NO_LINKS: ReadonlySet<string> = new Set([
  'EXDEV',
  'EPERM',
  'EMLINK',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
])

export function createAdopt({ files, paths, content, blobs }: AdoptingOptions): AdoptFile {
  return async (path, digest, { mediaType, copy }) => {
    const row = await content.find(digest)
    if (row !== undefined) return { how: 'present', size: row.size }
    const found = await lstat(path).catch(ignoreNotFound)
    if (found?.isFile() !== true) return { how: 'missing', size: 0 }
    const { size, dev } = found
    const root = await stat(paths.root)
    // A linked file keeps its owner. What is somebody else's may not be readable for the store's.
    const isOurs = root.uid === found.uid || root.uid === process.geteuid?.()
    const mayLink = !copy && size > 0 && dev === root.dev && isOurs
    if (mayLink && !(await matches(path, digest))) return { how: 'damaged', size }
    if (mayLink && (await linked(path, digest))) {
      await content.add(digest, { size, mediaType })
      return { how: 'linked', size }
    }
    return { how: (await copied(path, digest, size, mediaType)) ? 'copied' : 'damaged', size }
  }

  /**
   * The name is durable before the index knows it, as with every commit. @returns false when it has to be
   * copied
   */
  async function linked(path: string, digest: Digest): Promise<boolean> {
    const folder = paths.folderOf(digest)
    await files.makeFolder(folder)
    // A file without a row was left by a process that was killed, and is not verified.
    await files.remove(paths.blob(digest))
    try {
      await link(path, paths.blob(digest))
    } catch (error) {
      if (NO_LINKS.has(codeOf(error) ?? '')) return false
      throw error
    }
    const file = await files.open(paths.blob(digest), 'r')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await files.syncFolder(folder)
    await files.syncFolder(`${folder}/..`)
    return true
  }

  async function matches(path: string, digest: Digest): Promise<boolean> {
    const hash = hasherFor(digest)
    await eachPiece(path, async (bytes) => void hash.update(bytes))
    return digestFrom(hash, digest) === digest
  }

  /** @returns false when the bytes are not those of the digest */
  async function copied(path: string, digest: Digest, size: number, mediaType: string): Promise<boolean> {
    await using ingest = await blobs.ingest({ digest, size, mediaType, origin: 'adopt' })
    try {
      await eachPiece(path, async (bytes, position) => void (await ingest.write(bytes, position, size)))
      await ingest.verify(size)
    } catch (error) {
      if (isRegistryError(error) && error.code === 'UPSTREAM_INVALID') return false
      throw error
    }
    await ingest.commit()
    return true
  }

  async function eachPiece(
    path: string,
    use: (bytes: Buffer, position: number) => Promise<void>,
  ): Promise<void> {
    const file = await files.open(path, 'r')
    const buffer = Buffer.allocUnsafe(PIECE)
    try {
      let position = 0
      for (let count; (count = await file.read(buffer, position)) > 0; position += count)
        await use(buffer.subarray(0, count), position)
    } finally {
      await file.close()
    }
  }
}
