import { randomBytes } from 'node:crypto'
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import { IntervalSet } from '../oci/intervals.ts'
import type { Files, OpenFile } from './files.ts'
import { type Note, parseNote } from './note.ts'
import type { Paths } from './paths.ts'
import { unlessMissing } from './storage-error.ts'

/** The file that one object's bytes go to, and beside it a note of which are there: what a later process continues from. */
export interface PartFile {
  readonly file: OpenFile
  readonly path: string
  readonly filled: IntervalSet
  /** Writes the note. What it claims is hashed again before it is trusted. */
  note(): Promise<void>
  removeNote(): Promise<void>
  remove(): Promise<void>
}

export interface PartFiles {
  /** The one an earlier ingest of this digest left, or a new one; either way nobody else's. */
  take(digest: Digest): Promise<PartFile>
  /** Says that a part, with its note, was left for later. Of two for one digest the fuller stays. */
  leave(digest: Digest, part: PartFile): Promise<void>
  /** Removes what was left of this digest: it is whole now. */
  drop(digest: Digest): Promise<void>
  /** Finds what an earlier process left, and removes what cannot be continued from. */
  recover(): Promise<void>
  /** Removes what was left longer ago than `olderThan` milliseconds, and the oldest of the rest down to `maxBytes` in all. */
  sweep(limits: { readonly olderThan: number; readonly maxBytes: number }, now: number): Promise<void>
}

interface Leftover {
  readonly id: string
  /** Bytes that are there. */
  readonly size: number
}

/** `boot` names this start of the machine: what an earlier one left may have lost bytes that its note claims, and is removed. */
export function partFiles(files: Files, paths: Paths, boot: string | undefined): PartFiles {
  const left = new Map<Digest, Leftover>()

  return {
    async take(digest) {
      const leftover = left.get(digest)
      left.delete(digest)
      return (leftover && (await reopen(leftover, digest))) ?? (await create(digest))
    },
    leave: (digest, { path, filled }) => leave(digest, { id: idOf(path), size: filled.size }),
    async drop(digest) {
      const leftover = left.get(digest)
      left.delete(digest)
      if (leftover !== undefined) await removeBoth(leftover.id)
    },
    async recover() {
      const names = await files.list(paths.ingest)
      const ids = new Set(names.filter((name) => name.endsWith('.part')).map(idOf))
      for (const id of ids) {
        const note = await readNote(id)
        if (note === undefined || note.boot !== boot) await removeBoth(id)
        else await leave(note.digest, { id, size: sizeOf(note) })
      }
      const strays = names.filter((name) => !ids.has(idOf(name)))
      for (const name of strays) await files.remove(`${paths.ingest}/${name}`)
    },
    async sweep({ olderThan, maxBytes }, now) {
      const found = await Promise.all(
        [...left].map(async ([digest, { id, size }]) => ({ digest, id, size, at: await leftAt(id) })),
      )
      let bytes = 0
      for (const { digest, id, size, at } of found.toSorted((a, b) => b.at - a.at)) {
        bytes += size
        const isTaken = left.get(digest)?.id !== id
        if (isTaken || (now - at <= olderThan && bytes <= maxBytes)) continue
        left.delete(digest)
        await removeBoth(id)
      }
    },
  }

  async function leave(digest: Digest, leftover: Leftover): Promise<void> {
    const other = left.get(digest)
    const [fuller, rest] =
      other !== undefined && other.size >= leftover.size ? [other, leftover] : [leftover, other]
    left.set(digest, fuller)
    if (rest !== undefined) await removeBoth(rest.id)
  }

  async function create(digest: Digest): Promise<PartFile> {
    const id = `${algorithmOf(digest)}-${hexOf(digest)}-${randomBytes(4).toString('hex')}`
    const open = () => files.open(paths.part(id), 'wx+')
    const file = await open().catch(async (error: unknown) => {
      unlessMissing(error)
      await files.makeFolder(paths.ingest)
      return open()
    })
    return partFile(id, digest, file, new IntervalSet())
  }

  async function reopen(leftover: Leftover, digest: Digest): Promise<PartFile | undefined> {
    const { id } = leftover
    let file: OpenFile | undefined
    try {
      const note = await readNote(id)
      file = note && (await files.open(paths.part(id), 'r+').catch(unlessMissing))
      if (note === undefined || file === undefined) return undefined
      const size = await file.size()
      const filled = note.filled.map(([start, end]) => ({ start, end: Math.min(end, size) }))
      return partFile(id, digest, file, new IntervalSet(filled))
    } catch (error) {
      left.set(digest, leftover)
      await file?.close()
      throw error
    }
  }

  function partFile(id: string, digest: Digest, file: OpenFile, filled: IntervalSet): PartFile {
    return {
      file,
      path: paths.part(id),
      filled,
      async note() {
        const intervals = [...filled].map(({ start, end }) => [start, end] as const)
        const note: Note = { digest, filled: intervals, ...(boot !== undefined && { boot }) }
        await files.writeText(`${paths.sidecar(id)}.new`, JSON.stringify(note))
        await files.rename(`${paths.sidecar(id)}.new`, paths.sidecar(id))
      },
      removeNote: () => removeNote(id),
      remove: () => removeBoth(id),
    }
  }

  async function removeBoth(id: string): Promise<void> {
    await files.remove(paths.part(id))
    await removeNote(id)
  }

  async function removeNote(id: string): Promise<void> {
    await files.remove(`${paths.sidecar(id)}.new`)
    await files.remove(paths.sidecar(id))
  }

  /** Epoch milliseconds. */
  async function leftAt(id: string): Promise<number> {
    return (await files.modifiedAt(paths.part(id)).catch(unlessMissing)) ?? 0
  }

  /** undefined when there is none, or none that makes sense. */
  async function readNote(id: string): Promise<Note | undefined> {
    const text = await files.readText(paths.sidecar(id)).catch(unlessMissing)
    return text === undefined ? undefined : parseNote(text)
  }
}

function idOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.(?:part|json|json\.new)$/, '')
}

function sizeOf({ filled }: Note): number {
  return filled.reduce((sum, [start, end]) => sum + end - start, 0)
}
