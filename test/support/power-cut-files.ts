import { dirname } from 'node:path'
import type { Files, OpenFile } from '../../src/storage/files.ts'

/** What became of the changes that nobody had synced when the power went: each is asked for by itself. */
export interface CutOptions {
  /** Whether a name that was made, moved or removed is so on the disk. */
  readonly name: () => boolean
  /** Whether a file is as long as it was written; new bytes that are not on the disk are zeros then. */
  readonly length: () => boolean
  /** Whether the bytes of a page are the new ones. */
  readonly page: (file: { readonly size: number }) => boolean
}

export interface PowerCutFiles extends Files {
  /** Called before each operation that changes something, and whenever else it is of interest. */
  onChange: (operation: string) => void
  /** What a power cut at this moment would leave, to be looked at as often as one likes. */
  snapshot(): (options: CutOptions) => PowerCutFiles
}

interface Inode {
  bytes: Buffer
  /** As of its last sync. */
  durable: Buffer
}

/** A change of names; a folder has no inode here. */
interface Change {
  readonly add: { readonly path: string; readonly inode: Inode | undefined } | undefined
  readonly remove: string | undefined
  durable: boolean
}

const PAGE = 4096

/**
 * A file system in memory that knows what of it would survive a loss of power: the bytes of a file as of its last sync, the names
 * in a folder as of the folder's. Anything else may be there or not, independently, as POSIX allows. `root` is an empty folder.
 */
export function powerCutFiles(root: string): PowerCutFiles {
  const folders = new Map<string, undefined>()
  for (let path = root; !folders.has(path); path = dirname(path)) folders.set(path, undefined)
  return filesFrom(folders, 'first boot')
}

function filesFrom(before: ReadonlyMap<string, Inode | undefined>, boot: string): PowerCutFiles {
  const names = new Map(before)
  const changes: Change[] = []

  const change = (add: Change['add'], remove?: string): void => {
    const made = { add, remove, durable: false }
    changes.push(made)
    apply(names, made)
  }
  const file = (path: string): Inode => names.get(path) ?? fail('ENOENT', path)
  const inFolder = (path: string): void => void (names.has(dirname(path)) || fail('ENOENT', path))
  const create = (path: string): Inode => {
    inFolder(path)
    const inode = { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) }
    change({ path, inode })
    return inode
  }

  const files: PowerCutFiles = {
    onChange: () => {},
    async open(path, flags) {
      if (flags !== 'wx+') return openFile(file(path), () => files.onChange('write'))
      if (names.has(path)) fail('EEXIST', path)
      files.onChange('create')
      return openFile(create(path), () => files.onChange('write'))
    },
    async rename(from, to) {
      files.onChange('rename')
      inFolder(to)
      change({ path: to, inode: file(from) }, from)
    },
    async remove(path) {
      if (!names.has(path)) return
      files.onChange('remove')
      change(undefined, path)
    },
    async makeFolder(path) {
      if (names.has(path)) return
      files.onChange('makeFolder')
      if (dirname(path) !== path) await files.makeFolder(dirname(path))
      change({ path, inode: undefined })
    },
    async removeEmptyFolder() {},
    async syncFolder(path) {
      if (!names.has(path)) fail('ENOENT', path)
      files.onChange('syncFolder')
      for (const one of changes) if (pathsOf(one).some((name) => dirname(name) === path)) one.durable = true
    },
    async list(path) {
      if (!names.has(path)) fail('ENOENT', path)
      return [...names.keys()]
        .filter((name) => name !== path && dirname(name) === path)
        .map((name) => ({ name: name.slice(path.length + 1), kind: names.get(name) ? 'file' : 'folder' }))
    },
    readText: async (path) => (path.endsWith('/boot_id') ? boot : file(path).bytes.toString()),
    async writeText(path, text) {
      files.onChange('writeText')
      const inode = names.get(path) ?? create(path)
      inode.bytes = Buffer.from(text)
    },
    modifiedAt: async (path) => (file(path), 0),
    space: async () => ({ totalBytes: 2e12, freeBytes: 1e12, totalInodes: Infinity, freeInodes: Infinity }),
    restrict: async () => false,
    snapshot() {
      const inodes = new Map<Inode, Inode>()
      const copy = (inode: Inode | undefined): Inode | undefined => {
        if (inode === undefined) return undefined
        const copied = inodes.get(inode) ?? {
          bytes: Buffer.from(inode.bytes),
          durable: Buffer.from(inode.durable),
        }
        inodes.set(inode, copied)
        return copied
      }
      const base = new Map([...before].map(([path, inode]) => [path, copy(inode)]))
      const log = changes.map(({ add, remove, durable }) => ({
        add: add && { path: add.path, inode: copy(add.inode) },
        remove,
        durable,
      }))
      return (options) => filesFrom(leftOf(base, log, options), 'next boot')
    },
  }
  return files
}

function leftOf(
  base: ReadonlyMap<string, Inode | undefined>,
  changes: readonly Change[],
  { name, ...rest }: CutOptions,
) {
  const left = new Map(base)
  for (const change of changes) if (change.durable || name()) apply(left, change)
  // What is in a folder that did not survive is lost with it.
  for (const path of left.keys())
    for (let up = dirname(path); up !== dirname(up); up = dirname(up)) if (!left.has(up)) left.delete(path)
  return new Map([...left].map(([path, inode]) => [path, inode && afterCut(inode, rest)]))
}

function afterCut({ bytes, durable }: Inode, { length, page }: Omit<CutOptions, 'name'>): Inode {
  if (bytes.equals(durable)) return { bytes, durable }
  const left = Buffer.alloc(length() ? bytes.length : durable.length)
  for (let at = 0; at < left.length; at += PAGE) {
    const source = page({ size: bytes.length }) ? bytes : durable
    left.set(source.subarray(at, Math.min(at + PAGE, left.length)), at)
  }
  return { bytes: left, durable: left }
}

function apply(names: Map<string, Inode | undefined>, { add, remove }: Change): void {
  if (remove !== undefined) names.delete(remove)
  if (add !== undefined) names.set(add.path, add.inode)
}

function pathsOf({ add, remove }: Change): readonly string[] {
  return [add?.path, remove].filter((path) => path !== undefined)
}

function openFile(inode: Inode, onChange: () => void): OpenFile {
  return {
    read: async (buffer, position) => inode.bytes.copy(buffer, 0, Math.min(position, inode.bytes.length)),
    async write(bytes, position) {
      onChange()
      const grown = Buffer.alloc(Math.max(inode.bytes.length, position + bytes.length))
      inode.bytes.copy(grown)
      grown.set(bytes, position)
      inode.bytes = grown
      return bytes.length
    },
    async sync() {
      onChange()
      inode.durable = Buffer.from(inode.bytes)
    },
    size: async () => inode.bytes.length,
    id: async () => idOf(inode),
    close: async () => {},
  }
}

const ids = new WeakMap<Inode, string>()
let lastId = 0

function idOf(inode: Inode): string {
  const id = ids.get(inode) ?? `${(lastId += 1)}`
  ids.set(inode, id)
  return id
}

function fail(code: string, path: string): never {
  throw Object.assign(new Error(`${code}: ${path}`), { code })
}
