import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { FakeUpstream } from '../support/fake-upstream.ts'
import { type Blob, blobOf, manifestOf } from '../support/fixtures.ts'
import type { Asked } from './client.ts'
import type { Random } from '../support/seeded-random.ts'

/** A part of a blob, as `start` up to, not including, `end`. */
export interface Part {
  readonly start: number
  readonly end: number
}

/** What is true: the bytes of every digest, and what every tag has pointed to since when. */
export interface World {
  readonly blobs: readonly Blob[]
  readonly tags: readonly string[]
  /** Points a tag at a new manifest, here and upstream. */
  move(tag: string): void
  /** Upstream has sent wrong bytes for it, so a range asked for before the withheld end may be wrong. */
  lie(blob: Blob): void
  /** It was pulled whole since upstream last lied. */
  trust(blob: Blob): void
  /**
   * Whether a reader may be sent wrong bytes, though never all of them. Ask when the reader begins, and call
   * the result when it ends: it tells whether the blob was in doubt at any time between the two.
   */
  doubtsFromNow(blob: Blob): () => boolean
  /** The latest version of a tag that anybody has seen. */
  seen(tag: string): number
  /**
   * What is wrong with an answer. `part` is undefined where the whole blob was asked for; `doubted`: whether
   * the blob was in doubt at any time since it was asked.
   */
  judgeBlob(blob: Blob, part: Part | undefined, asked: Asked, doubted: boolean): string | undefined
  /** `seenBefore`: `seen(tag)` when it was asked; `now` in monotonic milliseconds, `undefined` where stale answers are allowed. */
  judgeTag(tag: string, seenBefore: number, asked: Asked, askedAt: number | undefined): string | undefined
}

const KiB = 1024
const REPOSITORY = 'library/app'
/** Of the size that upstream tells, the proxy does not pass on the last bytes before it has verified all. */
const WITHHELD = 32 * KiB
/** Milliseconds after which a moved tag has to be noticed: its freshness in the soak's configuration, and as much again. */
const NOTICED_WITHIN = 2_000

interface Version {
  readonly body: Buffer
  readonly since: number
}

export function world(upstream: FakeUpstream, random: Random): World {
  const blobs = Array.from({ length: 60 }, (_, i) =>
    blobOf(Math.ceil(4 ** (2 + 4 * random.next()) * KiB), i + 1),
  )
  for (const { bytes } of blobs) upstream.addBlob(bytes)
  const history = new Map<string, Version[]>()
  const latestSeen = new Map<string, number>()
  const doubtful = new Set<Blob>()
  /** How often upstream has lied about each blob. */
  const lies = new Map<Blob, number>()
  const tags = Array.from({ length: 20 }, (_, i) => `t${i}`)
  for (const tag of tags) move(tag)

  return {
    blobs,
    tags,
    move,
    lie(blob) {
      doubtful.add(blob)
      lies.set(blob, liesAbout(blob) + 1)
    },
    trust: (blob) => void doubtful.delete(blob),
    doubtsFromNow(blob) {
      const before = { isDoubtful: doubtful.has(blob), lies: liesAbout(blob) }
      return () => before.isDoubtful || liesAbout(blob) > before.lies
    },
    seen: (tag) => latestSeen.get(tag) ?? 0,
    judgeBlob(blob, part, { status, body, total = blob.bytes.length, end }, doubted) {
      if (status >= 400 || status === 0) return undefined
      const wanted = part === undefined ? 200 : 206
      if (status !== wanted) return `${status} instead of ${wanted} for ${blob.digest}`
      if (part === undefined && end === 'complete') {
        return digestOf(body) === blob.digest ? undefined : `wrong bytes for ${blob.digest}`
      }
      const { start, end: stop } = part ?? { start: 0, end: blob.bytes.length }
      if (doubted && start + body.length <= total - WITHHELD) return undefined
      if (end === 'complete' && body.length !== stop - start) return `short range of ${blob.digest}`
      const isTrue = blob.bytes.subarray(start, start + body.length).equals(body)
      return isTrue ? undefined : `wrong bytes at ${start}+${body.length} of ${blob.digest} (${end})`
    },
    judgeTag(tag, seenBefore, { status, body, end }, askedAt) {
      if (status !== 200 || end !== 'complete') return undefined
      const versions = history.get(tag)!
      const version = versions.findIndex((known) => known.body.equals(body))
      if (version < 0) return `${tag} was never this`
      latestSeen.set(tag, Math.max(version, latestSeen.get(tag) ?? 0))
      if (version < seenBefore) return `${tag} went back from version ${seenBefore} to ${version}`
      const next = versions[version + 1]
      if (askedAt === undefined || next === undefined || askedAt - next.since < NOTICED_WITHIN)
        return undefined
      return `${tag} was still version ${version} of ${versions.length} after ${Math.round(askedAt - next.since)} ms`
    },
  }

  function liesAbout(blob: Blob): number {
    return lies.get(blob) ?? 0
  }

  function move(tag: string): void {
    const versions = history.get(tag) ?? []
    history.set(tag, versions)
    const body = manifestOf([random.pick(blobs).bytes], {
      annotations: { tag, version: String(versions.length) },
    })
    upstream.addManifest(REPOSITORY, tag, body, OCI_MANIFEST)
    versions.push({ body, since: performance.now() })
  }
}
