import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises'

/** An open file. Reads and writes are positional and may be short. */
export interface OpenFile {
  read(buffer: Uint8Array, position: number): Promise<number>
  write(bytes: Uint8Array, position: number): Promise<number>
  /** Makes the written bytes survive a loss of power. */
  sync(): Promise<void>
  size(): Promise<number>
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

export interface Folders {
  makeFolder(path: string): Promise<void>
  /** Makes the names in a folder survive a loss of power. */
  syncFolder(path: string): Promise<void>
  list(path: string): Promise<readonly string[]>
  /** Free bytes of the file system that holds `path`. */
  freeBytes(path: string): Promise<number>
}

/**
 * The part of a file system that the store uses. Tests replace it with one that fails or forgets unsynced
 * writes.
 */
export type Files = ContentFiles & TextFiles & Folders

export function realFiles(): Files {
  return {
    async open(path, flags) {
      return openFile(await open(path, flags))
    },
    rename,
    remove: (path) => rm(path, { force: true }),
    modifiedAt: async (path) => (await stat(path)).mtimeMs,
    readText: (path) => readFile(path, 'utf8'),
    writeText: (path, text) => writeFile(path, text),
    async makeFolder(path) {
      await mkdir(path, { recursive: true })
    },
    async syncFolder(path) {
      await using folder = await open(path, 'r')
      await folder.sync()
    },
    list: (path) => readdir(path),
    async freeBytes(path) {
      const { bavail, bsize } = await statfs(path)
      return bavail * bsize
    },
  }
}

function openFile(handle: FileHandle): OpenFile {
  return {
    read: async (buffer, position) => (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    sync: () => handle.sync(),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  }
}
