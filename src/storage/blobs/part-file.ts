import { randomBytes } from 'node:crypto'
import { algorithmOf, type Digest, hexOf } from '../../oci/digest.ts'
import { IntervalSet } from '../../util/interval-set.ts'
import type { Files, OpenFile } from '../files.ts'
import { type Note, parseNote } from './checkpoint.ts'
import type { Paths } from '../paths.ts'
import { unlessMissing } from '../storage-errors.ts'

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
  /** The one an earlier ingest of the same left, or a new one; either way nobody else's. */
  take(wanted: Wanted): Promise<PartFile>
  /** Says that a part, with its note, was left for later. Of two for the same the fuller stays. */
  leave(wanted: Wanted, part: PartFile): Promise<void>
  /** Removes what was left of this digest, whoever's bytes they are: it is whole now. */
  drop(digest: Digest): Promise<void>
  /** Finds what an earlier process left, and removes what cannot be continued from. */
  recover(): Promise<void>
  /** Removes what was left longer ago than `olderThan` milliseconds, and the oldest of the rest down to `maxBytes` in all. */
  sweep(limits: { readonly olderThan: number; readonly maxBytes: number }, now: number): Promise<void>
}

/** Bytes of one digest, as one origin has sent them. */
interface Wanted {
  readonly digest: Digest
  readonly origin?: string | undefined
}

interface Leftover {
  readonly id: string
  /** Bytes that are there. */
  readonly size: number
}

/** `boot` names this start of the machine: what an earlier one left may have lost bytes that its note claims, and is removed. */
export function partFiles(files: Files, paths: Paths, boot: string | undefined): PartFiles {
  const left = new Map<string, Leftover>()

  return {
    async take(wanted) {
      const leftover = left.get(keyOf(wanted))
      left.delete(keyOf(wanted))
      return (leftover && (await reopen(leftover, wanted))) ?? (await create(wanted))
    },
    leave: (wanted, { path, filled }) => leave(wanted, { id: idOf(path), size: filled.size }),
    async drop(digest) {
      for (const [key, { id }] of left) {
        if (!key.endsWith(digest)) continue
        left.delete(key)
        await removeBoth(id)
      }
    },
    async recover() {
      const names = await files.list(paths.ingest)
      const ids = new Set(names.filter((name) => name.endsWith('.part')).map(idOf))
      for (const id of ids) {
        const note = await readNote(id)
        if (note === undefined || note.boot !== boot) await removeBoth(id)
        else await leave(note, { id, size: sizeOf(note) })
      }
      const strays = names.filter((name) => !ids.has(idOf(name)))
      for (const name of strays) await files.remove(`${paths.ingest}/${name}`)
    },
    async sweep({ olderThan, maxBytes }, now) {
      const found = await Promise.all(
        [...left].map(async ([key, { id, size }]) => ({ key, id, size, at: await leftAt(id) })),
      )
      let bytes = 0
      for (const { key, id, size, at } of found.toSorted((a, b) => b.at - a.at)) {
        bytes += size
        const isTaken = left.get(key)?.id !== id
        if (isTaken || (now - at <= olderThan && bytes <= maxBytes)) continue
        left.delete(key)
        await removeBoth(id)
      }
    },
  }

  async function leave(wanted: Wanted, leftover: Leftover): Promise<void> {
    const other = left.get(keyOf(wanted))
    const [fuller, rest] =
      other !== undefined && other.size >= leftover.size ? [other, leftover] : [leftover, other]
    left.set(keyOf(wanted), fuller)
    if (rest !== undefined) await removeBoth(rest.id)
  }

  async function create(wanted: Wanted): Promise<PartFile> {
    const { digest } = wanted
    const id = `${algorithmOf(digest)}-${hexOf(digest)}-${randomBytes(4).toString('hex')}`
    const open = () => files.open(paths.part(id), 'wx+')
    const file = await open().catch(async (error: unknown) => {
      unlessMissing(error)
      await files.makeFolder(paths.ingest)
      return open()
    })
    return partFile(id, wanted, file, new IntervalSet())
  }

  async function reopen(leftover: Leftover, wanted: Wanted): Promise<PartFile | undefined> {
    const { id } = leftover
    let file: OpenFile | undefined
    try {
      const note = await readNote(id)
      file = note && (await files.open(paths.part(id), 'r+').catch(unlessMissing))
      if (note === undefined || file === undefined) return undefined
      const size = await file.size()
      const filled = note.filled.map(([start, end]) => ({ start, end: Math.min(end, size) }))
      return partFile(id, wanted, file, new IntervalSet(filled))
    } catch (error) {
      left.set(keyOf(wanted), leftover)
      await file?.close()
      throw error
    }
  }

  function partFile(id: string, { digest, origin }: Wanted, file: OpenFile, filled: IntervalSet): PartFile {
    return {
      file,
      path: paths.part(id),
      filled,
      async note() {
        const note: Note = {
          digest,
          filled: [...filled].map(({ start, end }) => [start, end] as const),
          ...(boot !== undefined && { boot }),
          ...(origin !== undefined && { origin }),
        }
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

function keyOf({ digest, origin = '' }: Wanted): string {
  return `${origin} ${digest}`
}

function idOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.(?:part|json|json\.new)$/, '')
}

function sizeOf({ filled }: Note): number {
  return filled.reduce((sum, [start, end]) => sum + end - start, 0)
}
