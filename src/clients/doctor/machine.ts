import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientVersion } from '../client-version.ts'
import { readIfThere } from '../write-files.ts'

/** The files of a machine, by their paths there. */
export interface Machine {
  /** @returns undefined when there is no such file, or this user may not read it */
  read(path: string): Promise<string | undefined>
  /** Names in a folder, in order; none when there is no such folder, or this user may not read it. */
  list(folder: string): Promise<readonly string[]>
  /** What this user was not allowed to read so far. */
  readonly unread: ReadonlySet<string>
  /** Whether there is a program of this name. */
  hasProgram(name: string): Promise<boolean>
  /** The version of a program; undefined when it is not known. */
  versionOf(program: string): Promise<ClientVersion | undefined>
}

const PROGRAM_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/bin', '/opt/bin']

/** The machine whose files are below `root`. */
export function machineAt(root: string, versionOf: Machine['versionOf']): Machine {
  const unread = new Set<string>()
  const ifAllowed = async <T>(path: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      if (code !== 'EACCES' && code !== 'EPERM') throw error
      unread.add(path)
      return undefined
    }
  }
  const list: Machine['list'] = async (folder) =>
    (await ifAllowed(folder, () => readdir(join(root, folder))))?.toSorted() ?? []
  return {
    read: (path) => ifAllowed(path, () => readIfThere(join(root, path))),
    list,
    unread,
    async hasProgram(name) {
      const folders = await Promise.all(PROGRAM_FOLDERS.map(list))
      return folders.some((names) => names.includes(name))
    },
    versionOf,
  }
}
