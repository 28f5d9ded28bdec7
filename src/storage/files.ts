import { dirname } from 'node:path'
import {
  chmod,
  chown,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  statfs,
  unlink,
  writeFile,
} from 'node:fs/promises'
import type { DiskUsage } from '../ports/metadata.ts'
import type { Owner } from './owner.ts'
import { codeOf, ignoreNotFound } from './storage-operation.ts'

/** An open file. Reads and writes are positional and may be short. */
export interface OpenFile {
  read(buffer: Uint8Array, position: number): Promise<number>
  write(bytes: Uint8Array, position: number): Promise<number>
  /** Makes the written bytes survive a loss of power. */
  sync(): Promise<void>
  size(): Promise<number>
  /** Names the file among all of its disk, as long as it is open here. */
  id(): Promise<string>
  close(): Promise<void>
}

export interface ContentFiles {
  /** `r` reads. `wx+` creates a file and opens it for both. `r+` opens an existing file for both. */
  open(path: string, flags: 'r' | 'wx+' | 'r+'): Promise<OpenFile>
  rename(from: string, to: string): Promise<void>
  /** Does nothing when the file does not exist. */
  remove(path: string): Promise<void>
  /** Epoch milliseconds. */
  modifiedAt(path: string): Promise<number>
}

export interface TextFiles {
  readText(path: string): Promise<string>
  writeText(path: string, text: string): Promise<void>
}

export interface FolderEntry {
  readonly name: string
  /** A symbolic link is `other`: the store follows none. */
  readonly kind: 'file' | 'folder' | 'other'
}

export interface Folders {
  /** Also creates its parents. */
  makeFolder(path: string): Promise<void>
  /** Does nothing when the folder is not empty, or does not exist. */
  removeEmptyFolder(path: string): Promise<void>
  /** Makes the names in a folder survive a loss of power. */
  syncFolder(path: string): Promise<void>
  list(path: string): Promise<readonly FolderEntry[]>
}

export interface Disk {
  /** Of the file system that holds `path`. */
  space(path: string): Promise<DiskUsage>
  /** Takes a file or folder away from other users. @returns whether they had access */
  restrict(path: string): Promise<boolean>
}

/**
 * The part of a file system that the store uses. Tests replace it with one that fails or forgets unsynced
 * writes.
 */
export type Files = ContentFiles & TextFiles & Folders & Disk

/** New files and folders are for the owner only: private layers and the index lie in them (SEC-76). */
const [FILE_MODE, FOLDER_MODE, OTHERS] = [0o600, 0o700, 0o077]

/** @param owner gets what is made; omitted: it is of this process */
export function realFiles(owner?: Owner): Files {
  return {
    async open(path, flags) {
      const handle = await open(path, flags, FILE_MODE)
      if (owner !== undefined && flags === 'wx+') await handle.chown(owner.uid, owner.gid)
      return openFile(handle)
    },
    rename,
    remove: (path) => unlink(path).catch(ignoreNotFound),
    modifiedAt: async (path) => (await stat(path)).mtimeMs,
    readText: (path) => readFile(path, 'utf8'),
    async writeText(path, text) {
      await writeFile(path, text, { mode: FILE_MODE })
      if (owner !== undefined) await chown(path, owner.uid, owner.gid)
    },
    async makeFolder(path) {
      const first = await mkdir(path, { recursive: true, mode: FOLDER_MODE })
      if (owner === undefined || first === undefined) return
      for (let made = path; made.length >= first.length; made = dirname(made))
        await chown(made, owner.uid, owner.gid)
    },
    async removeEmptyFolder(path) {
      await rmdir(path).catch((error: unknown) => {
        if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(error) ?? '')) throw error
      })
    },
    async syncFolder(path) {
      await using folder = await open(path, 'r')
      await folder.sync()
    },
    async list(path) {
      const entries = await readdir(path, { withFileTypes: true })
      return entries.map((entry) => ({
        name: entry.name,
        kind: entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other',
      }))
    },
    async space(path) {
      const { bavail, bsize, blocks, files, ffree } = await statfs(path)
      return {
        totalBytes: blocks * bsize,
        freeBytes: bavail * bsize,
        totalInodes: files === 0 ? Infinity : files,
        freeInodes: files === 0 ? Infinity : ffree,
      }
    },
    async restrict(path) {
      const { mode } = await stat(path)
      if ((mode & OTHERS) === 0) return false
      await chmod(path, mode & 0o700)
      return true
    },
  }
}

function openFile(handle: FileHandle): OpenFile {
  return {
    read: async (buffer, position) => (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    sync: () => handle.sync(),
    size: async () => (await handle.stat()).size,
    async id() {
      const { dev, ino } = await handle.stat({ bigint: true })
      return `${dev} ${ino}`
    },
    close: () => handle.close(),
  }
}
