import { type Algorithm, type Digest, isDigest } from '../oci/digest.ts'
import type { FolderEntry } from './files.ts'
import type { Paths } from './paths.ts'

/**
 * Made by `partials.ts`: `sha256-<hex>-<random>.part`, `.json`, and `.json.new` while a checkpoint is
 * written.
 */
const PART = /^(sha256-[\da-f]{64}-[\da-f]{8}|sha512-[\da-f]{128}-[\da-f]{8})\.(part|json|json\.new)$/

/**
 * @returns the id of the part that a file in `ingest/` belongs to; undefined when the store did not make the
 * file
 */
export function partIdOf({ name, kind }: FolderEntry): string | undefined {
  return kind === 'file' ? PART.exec(name)?.[1] : undefined
}

/** @returns the digest of a file in `blobs/`; undefined when the store did not make the file */
export function digestOfFile(
  algorithm: Algorithm,
  folder: string,
  { name, kind }: FolderEntry,
  paths: Paths,
): Digest | undefined {
  const digest = `${algorithm}:${name}`
  const isOwn =
    kind === 'file' && isDigest(digest) && paths.blob(digest).endsWith(`${algorithm}/${folder}/${name}`)
  return isOwn ? digest : undefined
}
