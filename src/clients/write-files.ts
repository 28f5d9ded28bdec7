import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ClientFile } from './client-setup.ts'

/** A file as it is to be, beside what it is. */
export interface PlannedFile {
  readonly path: string
  readonly content: string
  /** undefined: there is no file yet. */
  readonly current: string | undefined
  readonly isChanged: boolean
}

/**
 * Reads what is there below `root`, and says what it is to be.
 *
 * @throws Error when a file cannot be read or changed
 */
export async function planFiles(files: readonly ClientFile[], root: string): Promise<readonly PlannedFile[]> {
  return Promise.all(
    files.map(async ({ path, content }) => {
      const current = await readIfThere(join(root, path))
      const wanted = content(current)
      return { path, content: wanted, current, isChanged: wanted !== current }
    }),
  )
}

/**
 * Writes the file below `root` in one step, and what it was beside it.
 *
 * @param stamp ends the name of the backup
 * @returns the path of the backup; undefined when there was no file
 */
export async function writePlanned(
  { path, content, current }: PlannedFile,
  root: string,
  stamp: string,
): Promise<string | undefined> {
  const file = join(root, path)
  const backup = `${path}.before-${stamp}`
  await mkdir(dirname(file), { recursive: true })
  const mode = current === undefined ? 0o644 : (await stat(file)).mode & 0o777
  if (current !== undefined) await writeFile(join(root, backup), current, { mode })
  await writeFile(`${file}.new`, content, { mode })
  await rename(`${file}.new`, file)
  return current === undefined ? undefined : backup
}

/** @returns undefined when there is no such file */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
