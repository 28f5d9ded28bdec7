import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientVersion } from '../client-version.ts'
import { readIfThere } from '../write-files.ts'

/** The files of a machine, by their paths there. */
export interface Machine {
  /** @returns undefined when there is no such file */
  read(path: string): Promise<string | undefined>
  /** Names in a folder, in order; none when there is no such folder. */
  list(folder: string): Promise<readonly string[]>
  /** Whether there is a program of this name. */
  hasProgram(name: string): Promise<boolean>
  /** The version of a program; undefined when it is not known. */
  versionOf(program: string): Promise<ClientVersion | undefined>
}

const PROGRAM_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/bin', '/opt/bin']

/** The machine whose files are below `root`. */
export function machineAt(root: string, versionOf: Machine['versionOf']): Machine {
  const list: Machine['list'] = async (folder) => {
    try {
      return (await readdir(join(root, folder))).toSorted()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return []
      throw error
    }
  }
  return {
    read: (path) => readIfThere(join(root, path)),
    list,
    async hasProgram(name) {
      const folders = await Promise.all(PROGRAM_FOLDERS.map(list))
      return folders.some((names) => names.includes(name))
    },
    versionOf,
  }
}
