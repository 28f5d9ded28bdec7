import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { KeyPath, Issues } from './issues.ts'

/** `path` is absolute, so that the file can be read again when it changes. */
export interface LoadedFile {
  readonly path: string
  readonly text: string
}

/** Reads the file that the value at a key names. @throws ConfigIssue when it cannot */
export type LoadFile = (key: KeyPath, name: string) => Promise<LoadedFile>

/** Names are relative to `folder`. */
export function fileLoader(folder: string, issues: Issues): LoadFile {
  return async (key, name) => {
    const path = resolve(folder, name)
    try {
      return { path, text: await readFile(path, 'utf8') }
    } catch (error) {
      throw issues.value(key, `must be a readable file: ${reasonOf(error)}`)
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
}

/** Why a file cannot be read. The system's message has the path, which may come from the environment. */
export function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  return REASONS[code] ?? code
}
