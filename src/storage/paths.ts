import { join } from 'node:path'
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'

/**
 * The store's folder, and the only maker of paths in it:
 *
 *     FORMAT                        "entrepot 1"
 *     CACHEDIR.TAG                  tells backup programs to pass it over
 *     index.sqlite                  what is known about the content; rebuilt when lost
 *     index.sqlite.corrupt          the last one that was found damaged
 *     index.sqlite.lock             held by the process that has the store open
 *     blobs/<algorithm>/ab/<hex>    committed: whole, verified, immutable. Manifests too
 *     ingest/<id>.part              on its way in
 *     ingest/<id>.json              which of its bytes are there
 */
export interface Paths {
  readonly root: string
  readonly format: string
  readonly cacheDirTag: string
  readonly lock: string
  readonly index: string
  readonly blobs: string
  readonly ingest: string
  /** Folder of a committed object. */
  folderOf(digest: Digest): string
  blob(digest: Digest): string
  part(id: string): string
  sidecar(id: string): string
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
    sidecar: (id) => join(ingest, `${id}.json`),
  }
}
