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
  /** Makes what was written survive a loss of power. */
  sync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** The little of a file system that the store uses, so that tests can have it fail, or forget what was not synced. */
export interface Files {
  /** `r` for reading, `wx+` a new one for both, `r+` one that is there for both. */
  open(path: string, flags: 'r' | 'wx+' | 'r+'): Promise<OpenFile>
  rename(from: string, to: string): Promise<void>
  /** What is not there is removed already. */
  remove(path: string): Promise<void>
  makeFolder(path: string): Promise<void>
  /** Makes the names in a folder survive a loss of power. */
  syncFolder(path: string): Promise<void>
  list(path: string): Promise<readonly string[]>
  readText(path: string): Promise<string>
  writeText(path: string, text: string): Promise<void>
  modifiedAt(path: string): Promise<number>
  freeBytes(path: string): Promise<number>
}

export function realFiles(): Files {
  return {
    async open(path, flags) {
      return openFile(await open(path, flags))
    },
    rename,
    remove: (path) => rm(path, { force: true }),
    async makeFolder(path) {
      await mkdir(path, { recursive: true })
    },
    async syncFolder(path) {
      await using folder = await open(path, 'r')
      await folder.sync()
    },
    list: (path) => readdir(path),
    readText: (path) => readFile(path, 'utf8'),
    writeText: (path, text) => writeFile(path, text),
    modifiedAt: async (path) => (await stat(path)).mtimeMs,
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
