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
  /** Removes an object and counts it. */
  readonly discard: (digest: Digest) => Promise<void>
}

interface SizedDigest {
  readonly digest: Digest
  readonly size: number
}

type Finding = BadObject['problem'] | undefined

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

    for await (const { digest, size } of contents()) {
      const problem = yield* examine(digest, size)
      checked.objects += 1
      if (problem !== undefined) bad.push(...(await remove(digest, size, problem)))
    }
    yield step(true)

    async function* examine(digest: Digest, size: number): AsyncGenerator<VerificationStep, Finding> {
      let file: OpenFile | undefined
      try {
        file = await files.open(paths.blob(digest), 'r')
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
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return 'missing'
        if (codeOf(error) === 'EIO') return 'unreadable'
        throw error
      } finally {
        await file?.close()
      }
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

  /** @returns nothing when the object was evicted while it was verified */
  async function remove(
    digest: Digest,
    size: number,
    problem: BadObject['problem'],
  ): Promise<readonly BadObject[]> {
    const isStored = await query((sql) => sql.findContent.get(digest) !== undefined)
    if (!isStored) return []
    const links = await query((sql) => sql.linksOf.all(digest, '', ''))
    await discard(digest)
    const repositories = links.map(({ upstream, repository }) => `${String(upstream)}/${String(repository)}`)
    return [{ digest, size, problem, repositories }]
  }
}
