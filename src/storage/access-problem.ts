import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Paths } from './paths.ts'
import { codeOf } from './storage-operation.ts'

const DENIED = new Set(['EACCES', 'EPERM', 'EROFS'])

/**
 * Explains why the store cannot be opened, where that is a matter of rights: a store that was copied or
 * restored as another user, or a volume that is mounted read-only (FR-40). SQLite only says "disk I/O error"
 * then.
 *
 * @returns undefined when this process may write everything it needs
 */
export async function accessProblem(paths: Paths): Promise<string | undefined> {
  const { root, format, index, lock, blobs, ingest } = paths
  for (const path of [await nearest(root), lock, index, `${index}-wal`, blobs, ingest, format]) {
    const code = await denied(path)
    if (code === 'EROFS') return `cannot write ${path}: its file system is mounted read-only`
    if (code !== undefined) return `cannot write ${path}: ${await ownerOf(path)}, ${self()}`
  }
  return undefined
}

/** What there is of a path: where it begins to be made. */
async function nearest(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => (codeOf(error) === 'ENOENT' ? undefined : error))
  return found === undefined && dirname(path) !== path ? nearest(dirname(path)) : path
}

async function denied(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    const code = codeOf(error)
    return code !== undefined && DENIED.has(code) ? code : undefined
  }
}

/** Of the nearest folder above it that this process may look into. */
async function ownerOf(path: string): Promise<string> {
  try {
    const { uid, gid, mode } = await stat(path)
    return `${path} belongs to uid ${uid}, gid ${gid} (mode ${(mode & 0o7777).toString(8)})`
  } catch (error) {
    if (codeOf(error) !== 'EACCES' || dirname(path) === path) throw error
    return ownerOf(dirname(path))
  }
}

function self(): string {
  return `this process runs as uid ${process.geteuid?.()}, gid ${process.getegid?.()}`
}
