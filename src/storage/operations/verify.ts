import { setTimeout as sleep } from 'node:timers/promises'
import type { BadObject, Size, VerificationStep, Verify } from '../../ports/operations.ts'
import { type Digest, digestFrom, hasherFor } from '../../oci/digest.ts'
import type { Files, OpenFile } from '../files.ts'
import type { Paths } from '../paths.ts'
import type { Query } from '../index/sql.ts'
import { codeOf } from '../storage-operation.ts'

export interface VerifyingOptions {
  readonly files: Files
  readonly paths: Paths
  readonly query: Query
  readonly totals: () => Promise<Size>
  /**
   * Removes an object and counts it, unless it was stored again since `damaged` was opened; undefined: since it was
   * missing. @returns whether it was removed
   */
  readonly discard: (digest: Digest, damaged: OpenFile | undefined) => Promise<boolean>
}

interface SizedDigest {
  readonly digest: Digest
  readonly size: number
}

const PROBLEMS: ReadonlyMap<string | undefined, BadObject['problem']> = new Map([
  ['ENOENT', 'missing'],
  ['EIO', 'unreadable'],
])

const PIECE = 512 * 1024
/** Milliseconds between two steps. */
const STEP = 250

/** Verifies every object, ordered by digest. Objects stored or evicted during the run may be skipped. */
export function createVerify({ files, paths, query, totals, discard }: VerifyingOptions): Verify {
  return async function* ({ bytesPerSecond, signal }) {
    const total = await totals()
    const checked = { objects: 0, bytes: 0 }
    const buffer = Buffer.allocUnsafe(PIECE)
    const start = performance.now()
    let lastStep = start
    let bad: BadObject[] = []

    for await (const content of contents()) yield* verify(content)
    yield step(true)

    /** The file stays open until its content is removed: another one may have its name by then. */
    async function* verify({ digest, size }: SizedDigest): AsyncGenerator<VerificationStep> {
      let file: OpenFile | undefined
      let problem: BadObject['problem'] | undefined
      try {
        try {
          file = await files.open(paths.blob(digest), 'r')
          problem = yield* examine(file, digest, size)
        } catch (error) {
          problem = PROBLEMS.get(codeOf(error))
          if (problem === undefined) throw error
        }
        checked.objects += 1
        if (problem !== undefined) bad.push(...(await remove(digest, size, problem, file)))
      } finally {
        await file?.close()
      }
    }

    async function* examine(
      file: OpenFile,
      digest: Digest,
      size: number,
    ): AsyncGenerator<VerificationStep, BadObject['problem'] | undefined> {
      if ((await file.size()) !== size) return 'wrong size'
      const hash = hasherFor(digest)
      let position = 0
      for (let count; (count = await file.read(buffer, position)) > 0; position += count) {
        hash.update(buffer.subarray(0, count))
        checked.bytes += count
        await keepPace()
        if (performance.now() - lastStep >= STEP) yield step(false)
      }
      return digestFrom(hash, digest) === digest ? undefined : 'wrong content'
    }

    async function keepPace(): Promise<void> {
      signal?.throwIfAborted()
      const ahead = start + (checked.bytes / bytesPerSecond) * 1000 - performance.now()
      if (ahead > 0) await sleep(ahead, undefined, signal && { signal })
    }

    function step(isDone: boolean): VerificationStep {
      const found = bad
      bad = []
      lastStep = performance.now()
      return { checked: { ...checked }, total, bad: found, isDone }
    }
  }

  async function* contents(): AsyncGenerator<SizedDigest> {
    for (let last = ''; ;) {
      const page = (await query((sql) => sql.contentAfter.all(last))) as unknown as SizedDigest[]
      yield* page
      const end = page.at(-1)
      if (end === undefined) return
      last = end.digest
    }
  }

  /** @returns nothing when the object was evicted, or stored again, while it was verified */
  async function remove(
    digest: Digest,
    size: number,
    problem: BadObject['problem'],
    file: OpenFile | undefined,
  ): Promise<readonly BadObject[]> {
    const isStored = await query((sql) => sql.findContent.get(digest) !== undefined)
    if (!isStored) return []
    const links = await query((sql) => sql.linksOf.all(digest, '', ''))
    if (!(await discard(digest, file))) return []
    const repositories = links.map(({ upstream, repository }) => `${String(upstream)}/${String(repository)}`)
    return [{ digest, size, problem, repositories }]
  }
}
