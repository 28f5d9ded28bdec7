import { randomBytes } from 'node:crypto'
import { algorithmOf, type Digest, hexOf, isDigest } from '../oci/digest.ts'
import { IntervalSet } from '../oci/intervals.ts'
import type { Files, OpenFile } from './files.ts'
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

interface Note {
  readonly digest: Digest
  readonly filled: readonly (readonly [start: number, end: number])[]
}

export interface PartFiles {
  /** The one an earlier ingest of this digest left, or a new one; either way nobody else's. */
  take(digest: Digest): Promise<PartFile>
  /** Says that a part was left for later. */
  leave(digest: Digest, part: PartFile): void
  /** Finds what an earlier process left, and removes what cannot be continued from. */
  recover(): Promise<void>
  /** Removes what was left longer ago than `olderThan` milliseconds, and the oldest of the rest down to `maxBytes` in all. */
  sweep(limits: { readonly olderThan: number; readonly maxBytes: number }, now: number): Promise<void>
}

export function partFiles(files: Files, paths: Paths): PartFiles {
  const left = new Map<Digest, string>()

  return {
    async take(digest) {
      const id = left.get(digest)
      left.delete(digest)
      return (id && (await reopen(id, digest))) || (await create(digest))
    },
    leave(digest, { path }) {
      left.set(digest, idOf(path))
    },
    async recover() {
      for (const name of await files.list(paths.ingest)) {
        const id = name.replace(/\.(?:part|json|json\.new)$/, '')
        const note = await readNote(id)
        if (note === undefined || name.endsWith('.new')) await files.remove(`${paths.ingest}/${name}`)
        else left.set(note.digest, id)
      }
    },
    async sweep({ olderThan, maxBytes }, now) {
      const found = await Promise.all(
        [...left].map(async ([digest, id]) => Object.assign({ digest, id }, await measure(id))),
      )
      let bytes = 0
      for (const { digest, id, size, at } of found.toSorted((a, b) => b.at - a.at)) {
        bytes += size
        if (now - at <= olderThan && bytes <= maxBytes) continue
        left.delete(digest)
        await removeBoth(id)
      }
    },
  }

  async function create(digest: Digest): Promise<PartFile> {
    const id = `${algorithmOf(digest)}-${hexOf(digest)}-${randomBytes(4).toString('hex')}`
    return partFile(id, digest, await files.open(paths.part(id), 'wx+'), new IntervalSet())
  }

  async function reopen(id: string, digest: Digest): Promise<PartFile | undefined> {
    const note = await readNote(id)
    const file = note && (await files.open(paths.part(id), 'r+').catch(unlessMissing))
    if (file === undefined) return undefined
    const size = await file.size()
    const filled = note!.filled.map(([start, end]) => ({ start, end: Math.min(end, size) }))
    return partFile(id, digest, file, new IntervalSet(filled))
  }

  function partFile(id: string, digest: Digest, file: OpenFile, filled: IntervalSet): PartFile {
    return {
      file,
      path: paths.part(id),
      filled,
      async note() {
        const note: Note = { digest, filled: [...filled].map(({ start, end }) => [start, end] as const) }
        await files.writeText(`${paths.sidecar(id)}.new`, JSON.stringify(note))
        await files.rename(`${paths.sidecar(id)}.new`, paths.sidecar(id))
      },
      removeNote: () => files.remove(paths.sidecar(id)),
      remove: () => removeBoth(id),
    }
  }

  async function removeBoth(id: string): Promise<void> {
    await files.remove(paths.part(id))
    await files.remove(paths.sidecar(id))
  }

  async function measure(id: string): Promise<{ size: number; at: number }> {
    const note = await readNote(id)
    const size = note?.filled.reduce((sum, [start, end]) => sum + end - start, 0) ?? 0
    return { size, at: (await files.modifiedAt(paths.part(id)).catch(unlessMissing)) ?? 0 }
  }

  /** undefined when there is none, or none that makes sense. */
  async function readNote(id: string): Promise<Note | undefined> {
    const text = await files.readText(paths.sidecar(id)).catch(unlessMissing)
    return text === undefined ? undefined : parseNote(text)
  }
}

function idOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.part$/, '')
}

function parseNote(text: string): Note | undefined {
  try {
    const { digest, filled } = JSON.parse(text) as Partial<Note>
    if (
      typeof digest !== 'string' ||
      !isDigest(digest) ||
      !Array.isArray(filled) ||
      !filled.every(isInterval)
    )
      return undefined
    return { digest, filled }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isInterval(item: unknown): boolean {
  return (
    Array.isArray(item) &&
    item.length === 2 &&
    item.every((n) => Number.isSafeInteger(n) && n >= 0) &&
    item[0] <= item[1]
  )
}
