import type { Digest } from '../../oci/digest.ts'
import { imagePattern } from '../../oci/image-pattern.ts'
import type { Size } from '../../ports/operations.ts'
import type { Retention } from '../../ports/time.ts'
import { allOf, inSlices } from '../index/in-slices.ts'
import type { IndexReader } from '../index/index-reader.ts'
import type { Query, Statements } from '../index/sql.ts'
import { pastOfTags } from '../index/tags/seen-at.ts'
import { closureOf } from './content-walk.ts'
import { timeBetween } from '../../util/time-between.ts'

/** What is kept because tags pointed to it. */
export interface Retained extends Size {
  /** Also what is not stored here: a bucket may have it. */
  readonly content: ReadonlySet<Digest>
  /** Manifests that were to be kept, and are not stored any more. */
  readonly missing: number
}

export interface RetainedContent {
  /** What the rules keep, at most a few seconds old but for the moves of tags. Throws RegistryError STORAGE. */
  current(): Promise<Retained>
  /** To be called when a tag points to another manifest, which may be kept from now on. */
  moved(manifest: Digest): void
}

export interface RetainedOptions {
  readonly query: Query
  readonly read: IndexReader['read']
  readonly rules: () => readonly Retention[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** A rule, in a form that goes to another thread. */
export interface RetentionTask {
  readonly rules: readonly { readonly pattern: string; readonly keep: number }[]
  readonly now: number
}

/** Milliseconds. */
const FRESH = 5_000
/** To go through the history takes seconds. It is not done again for this many times as long. */
const PAUSE = 20
const NOTHING: Retained = { content: new Set(), objects: 0, bytes: 0, missing: 0 }

/** The content that the rules keep. What a tag has moved to since it was looked for is kept as well. */
export function retainedContent({ query, read, rules, now }: RetainedOptions): RetainedContent {
  let known: { readonly found: Promise<Retained>; readonly at: number; keep: number } | undefined
  /** Since the last look, by whatever tag. */
  const moved = new Set<Digest>()

  return {
    async current() {
      if (rules().length === 0) return NOTHING
      const found = await collected()
      if (moved.size === 0) return found
      const since = await inSlices(query, (sql) => closureOf(sql, moved))
      return { ...found, content: found.content.union(since) }
    },
    moved(manifest) {
      if (rules().length > 0) moved.add(manifest)
    },
  }

  async function collected(): Promise<Retained> {
    const age = known === undefined ? Infinity : timeBetween(now(), known.at)
    if (known === undefined || age > known.keep) {
      moved.clear()
      const found = collect()
      const entry = { found, at: now(), keep: FRESH }
      known = entry
      const start = performance.now()
      found.then(
        () => (entry.keep = Math.max(FRESH, PAUSE * (performance.now() - start))),
        () => {
          if (known === entry) known = undefined
        },
      )
    }
    return known.found
  }

  async function collect(): Promise<Retained> {
    const content = new Set<Digest>()
    let objects = 0
    let bytes = 0
    let missing = 0
    const task = { rules: rules().map(({ match, keep }) => ({ pattern: match.text, keep })), now: now() }
    for await (const page of read('retained', task)) {
      for (const { digest, size } of page) {
        content.add(digest)
        if (size === undefined) missing += 1
        else {
          objects += 1
          bytes += size
        }
      }
    }
    return { content, objects, bytes, missing }
  }
}

/** For the thread: what is kept, the size of what is stored of it. */
export function* retainedRows(
  sql: Statements,
  { rules, now }: RetentionTask,
): Generator<{ readonly digest: Digest; readonly size: number | undefined }, void> {
  const patterns = rules.map(({ pattern, keep }) => ({ match: imagePattern(pattern), keep }))
  const roots = new Set<Digest>()
  for (const { repository, tag, past } of pastOfTags(sql)) {
    const own = patterns.filter(({ match }) => match.matchesRepository(repository))
    for (const { digest, until = Infinity } of own.length === 0 ? [] : past) {
      const keep = own.find(({ match }) => match.matches({ repository, tag, digest }))?.keep
      if (keep !== undefined && until >= now - keep) roots.add(digest)
    }
  }
  for (const digest of allOf(closureOf(sql, roots))) {
    const size = sql.findContent.get(digest)?.['size']
    yield { digest, size: size === undefined ? undefined : Number(size) }
  }
}
