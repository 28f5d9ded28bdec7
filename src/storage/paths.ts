import { join } from 'node:path'
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'

/**
 * The layout of the store's folder. Every path in it is made here.
 *
 *     FORMAT                        "entrepot 1"
 *     CACHEDIR.TAG                  tells backup programs to skip the folder
 *     index.sqlite                  what is known about the content; rebuilt when it is lost
 *     index.sqlite.corrupt          the last index that was found damaged
 *     index.sqlite.lock             held by the process that has the store open
 *     blobs/<algorithm>/ab/<hex>    committed content: whole, verified, immutable. Includes manifests
 *     ingest/<id>.part              content being downloaded
 *     ingest/<id>.json              its checkpoint: which of its bytes have been written
 */
export interface Paths {
  readonly root: string
  readonly format: string
  readonly cacheDirTag: string
  readonly lock: string
  readonly index: string
  readonly blobs: string
  readonly ingest: string
  /** The folder of a committed object. */
  folderOf(digest: Digest): string
  blob(digest: Digest): string
  part(id: string): string
  checkpoint(id: string): string
}

export function paths(root: string): Paths {
  const blobs = join(root, 'blobs')
  const ingest = join(root, 'ingest')
  const folderOf = (digest: Digest): string => join(blobs, algorithmOf(digest), hexOf(digest).slice(0, 2))
  return {
    root,
    format: join(root, 'FORMAT'),
    cacheDirTag: join(root, 'CACHEDIR.TAG'),
    lock: join(root, 'index.sqlite.lock'),
    index: join(root, 'index.sqlite'),
    blobs,
    ingest,
    folderOf,
    blob: (digest) => join(folderOf(digest), hexOf(digest)),
    part: (id) => join(ingest, `${id}.part`),
    checkpoint: (id) => join(ingest, `${id}.json`),
  }
}
