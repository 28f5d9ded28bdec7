import { randomBytes } from 'node:crypto'
import { algorithmOf, type Digest, hexOf } from '../../oci/digest.ts'
import { IntervalSet } from '../../util/interval-set.ts'
import type { Files, OpenFile } from '../files.ts'
import { restoreFolder } from '../store-folder.ts'
import { partIdOf } from '../own-names.ts'
import type { Paths } from '../paths.ts'
import { ignoreNotFound } from '../storage-operation.ts'
import type { Checkpoint } from './checkpoint.ts'
import { DeferredFile, MemoryRoom } from './deferred-file.ts'
import { type PartFile, partFile, type PartKey, readCheckpoint, removePart } from './part-file.ts'

export interface SweepLimits {
  /** Milliseconds since the last write. */
  readonly olderThan: number
  /** Of all unfinished downloads together. */
  readonly maxBytes: number
}

/** The unfinished downloads that nobody works on. A new ingest of the same content resumes from one. */
export interface Partials {
  /**
   * Opens the part that an earlier ingest of this key left, or makes a new one. No other ingest gets the same
   * part.
   */
  take(key: PartKey): Promise<PartFile>
  /** The ingest has written so many bytes that the part did not have. */
  wrote(part: PartFile, bytes: number): void
  /** The ingest has committed, kept or removed the part. */
  release(part: PartFile): void
  /**
   * Keeps a part, with its checkpoint, for a later `take`. Of two parts of one key, the fuller stays; of more
   * than a thousand, those kept last.
   */
  keep(key: PartKey, part: PartFile): Promise<void>
  /** Removes the parts of a digest, whatever their origin: its content is committed. */
  drop(digest: Digest): Promise<void>
  /**
   * Finds the parts that an earlier process left, and removes those that cannot be resumed. Ignores other
   * files.
   */
  recover(): Promise<void>
  /** Removes parts older than the limit, then the oldest ones until the rest fit. */
  sweep(limits: SweepLimits, now: number): Promise<void>
  /** Removes the oldest parts until so many bytes are free. @returns how many bytes were freed */
  evict(bytes: number): Promise<number>
  /** Of all parts that are kept. */
  readonly bytes: number
  /** Of all parts that an ingest works on. */
  readonly runningBytes: number
}

/** Parts that are kept. Each takes two files, of which a disk may have few, and is read when a store opens. */
const MOST = 1_000

interface Leftover {
  readonly id: string
  /** Bytes written. */
  readonly size: number
}

interface Kept extends Leftover {
  readonly name: string
  /** Epoch milliseconds of the last write. */
  readonly at: number
}

/**
 * `boot` identifies this boot of the machine. Parts from an earlier boot are removed: bytes that their
 * checkpoint lists may have been lost.
 */
export function partials(files: Files, paths: Paths, boot: string | undefined): Partials {
  const leftovers = new Map<string, Leftover>()
  const memory = new MemoryRoom()
  const running = new Set<PartFile>()
  let runningBytes = 0

  return {
    async take(key) {
      const leftover = leftovers.get(nameOf(key))
      leftovers.delete(nameOf(key))
      const part = (leftover && (await reopen(leftover, key))) ?? create(key)
      running.add(part)
      runningBytes += part.filled.size
      return part
    },
    wrote(part, bytes) {
      if (running.has(part)) runningBytes += bytes
    },
    release(part) {
      if (running.delete(part)) runningBytes -= part.filled.size
    },
    keep: (key, { id, filled }) => keep(key, { id, size: filled.size }),
    async drop(digest) {
      for (const [name, { id }] of leftovers) {
        if (!name.endsWith(digest)) continue
        leftovers.delete(name)
        await removePart(id, files, paths)
      }
    },
    async recover() {
      const entries = await files.list(paths.ingest)
      const names = new Set(entries.map(({ name }) => name))
      for (const id of new Set(entries.flatMap((entry) => partIdOf(entry) ?? []))) {
        const checkpoint = names.has(`${id}.part`) ? await readCheckpoint(id, files, paths) : undefined
        if (checkpoint === undefined || checkpoint.boot !== boot) await removePart(id, files, paths)
        else await keep(checkpoint, { id, size: sizeOf(checkpoint) })
      }
    },
    async sweep({ olderThan, maxBytes }, now) {
      let bytes = 0
      for (const part of await newestFirst()) {
        bytes += part.size
        if (now - part.at > olderThan || bytes > maxBytes) await removeKept(part)
      }
    },
    async evict(bytes) {
      let freed = 0
      for (const part of (await newestFirst()).toReversed()) {
        if (freed >= bytes) break
        if (await removeKept(part)) freed += part.size
      }
      return freed
    },
    get bytes() {
      return leftovers.values().reduce((sum, { size }) => sum + size, 0)
    },
    get runningBytes() {
      return runningBytes
    },
  }

  async function newestFirst(): Promise<readonly Kept[]> {
    const found = await Promise.all(
      [...leftovers].map(async ([name, { id, size }]) => ({ name, id, size, at: await keptAt(id) })),
    )
    return found.toSorted((a, b) => b.at - a.at)
  }

  /** @returns false when an ingest has taken it in the meantime */
  async function removeKept({ name, id }: Kept): Promise<boolean> {
    if (leftovers.get(name)?.id !== id) return false
    leftovers.delete(name)
    await removePart(id, files, paths)
    return true
  }

  async function keep(key: PartKey, leftover: Leftover): Promise<void> {
    const other = leftovers.get(nameOf(key))
    const [fuller, rest] =
      other !== undefined && other.size >= leftover.size ? [other, leftover] : [leftover, other]
    // The last that is kept is the last to go.
    leftovers.delete(nameOf(key))
    leftovers.set(nameOf(key), fuller)
    if (rest !== undefined) await removePart(rest.id, files, paths)
    for (const [name, { id }] of leftovers) {
      if (leftovers.size <= MOST) break
      leftovers.delete(name)
      await removePart(id, files, paths)
    }
  }

  function create({ digest, origin }: PartKey): PartFile {
    const id = `${algorithmOf(digest)}-${hexOf(digest)}-${randomBytes(4).toString('hex')}`
    const open = () => files.open(paths.part(id), 'wx+')
    const file = new DeferredFile(
      () =>
        open().catch(async (error: unknown) => {
          ignoreNotFound(error)
          await restoreFolder(files, paths)
          return open()
        }),
      memory,
    )
    return partFile({ id, digest, origin, file, filled: new IntervalSet(), boot }, files, paths)
  }

  async function reopen(leftover: Leftover, key: PartKey): Promise<PartFile | undefined> {
    const { id } = leftover
    let file: OpenFile | undefined
    try {
      const checkpoint = await readCheckpoint(id, files, paths)
      file = checkpoint && (await files.open(paths.part(id), 'r+').catch(ignoreNotFound))
      if (checkpoint === undefined || file === undefined) return undefined
      const size = await file.size()
      const filled = checkpoint.filled.map(([start, end]) => ({ start, end: Math.min(end, size) }))
      return partFile({ id, ...key, file, filled: new IntervalSet(filled), boot }, files, paths)
    } catch (error) {
      leftovers.set(nameOf(key), leftover)
      await file?.close()
      throw error
    }
  }

  /** Epoch milliseconds. */
  async function keptAt(id: string): Promise<number> {
    return (await files.modifiedAt(paths.part(id)).catch(ignoreNotFound)) ?? 0
  }
}

function nameOf({ digest, origin = '' }: PartKey): string {
  return `${origin} ${digest}`
}

function sizeOf({ filled }: Checkpoint): number {
  return filled.reduce((sum, [start, end]) => sum + end - start, 0)
}
