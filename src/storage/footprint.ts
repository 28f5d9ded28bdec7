import { readdir, stat } from 'node:fs/promises'
import type { Footprint } from '../ports/metadata.ts'
import type { Paths } from './paths.ts'
import { ignoreNotFound } from './storage-operation.ts'

/** Bytes of the unit that `st_blocks` counts in, whatever the file system (stat(2)). */
const BLOCK = 512

/** Measures what a store takes besides its committed content. @throws the errors of the file system */
export async function footprint(paths: Paths): Promise<Footprint> {
  const index = await Promise.all([paths.index, `${paths.index}-wal`].map(allocated))
  const names = await readdir(paths.ingest)
  let partialBytes = 0
  for (const name of names) partialBytes += await allocated(`${paths.ingest}/${name}`)
  return { indexBytes: index.reduce((sum, bytes) => sum + bytes), partialBytes }
}

/** Downloads write at several places of a file: its length says less than its blocks. */
async function allocated(path: string): Promise<number> {
  const found = await stat(path).catch(ignoreNotFound)
  return (found?.blocks ?? 0) * BLOCK
}
