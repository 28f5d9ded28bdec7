import type { Digest } from '../../oci/digest.ts'
import type { ContentInventory, InventoryOptions, StoredContent } from '../../ports/metadata.ts'
import type { Size } from '../../ports/operations.ts'
import { eachRow, inSlices, type Steps } from './in-slices.ts'
import type { IndexAccess } from './index-access.ts'
import { STEP, type Statements } from './sql.ts'
import type { UsageLog } from './usage-log.ts'

export interface ContentRow {
  readonly size: number
  readonly mediaType: string
}

/**
 * What is known about committed content. All of it can be rebuilt from the files, except when they were used.
 */
export interface ContentIndex extends Omit<ContentInventory, 'usage'> {
  find(digest: Digest): Promise<ContentRow | undefined>
  /** Those of them that there is a row of. */
  known(digests: readonly Digest[]): Promise<readonly Digest[]>
  /**
   * Records a use; `hit` when the content was read. Uses are kept in memory for some seconds before they are
   * written.
   */
  use(digest: Digest, hit?: boolean): void
  add(digest: Digest, row: ContentRow): Promise<void>
  /** Some may have been added when it fails. */
  addAll(rows: readonly (ContentRow & { readonly digest: Digest })[]): Promise<void>
  /** Also removes its references, and its links unless `keepLinks` is set. */
  remove(...digests: readonly Digest[]): Promise<void>
  totals(): Promise<Size>
  /** When content was last used, in epoch milliseconds, of those of `digests` that are stored. */
  lastUses(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>
  /** Removes the links of content that is not stored. */
  removeLinks(...digests: readonly Digest[]): Promise<void>
}

export interface ContentIndexOptions extends Pick<IndexAccess, 'query' | 'changeAll'> {
  readonly uses: Pick<UsageLog<[Digest]>, 'note' | 'flush'>
  /** Resolves when no instants are about to be moved. */
  readonly settled: () => Promise<void>
  /** Links outlive their content, because it is elsewhere too. */
  readonly keepLinks: boolean
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function contentIndex(options: ContentIndexOptions): ContentIndex {
  const { query, changeAll, uses, settled, keepLinks, now } = options
  return {
    find: (digest) => query((sql) => sql.findContent.get(digest) as ContentRow | undefined),
    known: (digests) => query((sql) => digests.filter((digest) => sql.findContent.get(digest) !== undefined)),
    use: (digest, hit) => uses.note([digest], hit),
    add: (digest, { size, mediaType }) =>
      query((sql) => void sql.addContent.run(digest, size, mediaType, now(), now())),
    addAll: (rows) =>
      changeAll(rows, (sql, { digest, size, mediaType }) => {
        sql.addContent.run(digest, size, mediaType, now(), now())
      }),
    remove: (...digests) => changeAll(digests, keepLinks ? removeWithoutLinks : removeStep),
    async olderThan(instant, by, options) {
      await settled()
      if (by === 'fetch') return inSlices(query, (sql) => fetchedBefore(sql, instant, options))
      await uses.flush()
      return inSlices(query, function* (sql) {
        const found: StoredContent[] = []
        for (const range of RANGES)
          if (found.length < options.limit) found.push(...(yield* unused(sql, range, instant, options)))
        return found.slice(0, options.limit)
      })
    },
    async longestUnused(options) {
      await uses.flush()
      return inSlices(query, function* (sql) {
        for (const vanished of [0, 1] as const) {
          const large = yield* unused(sql, [vanished, 0], Number.MAX_SAFE_INTEGER, options)
          const small = yield* unused(sql, [vanished, 1], Number.MAX_SAFE_INTEGER, options)
          if (vanished === 1 || large.length + small.length > 0) return [...large, ...small]
        }
        return []
      })
    },
    totals: () => query((sql) => ({ ...(sql.totals.get() as unknown as Size) })),
    async lastUses(digests) {
      await uses.flush()
      return query(
        (sql) =>
          new Map(
            digests.flatMap((digest) => {
              const row = sql.lastUse.get(digest)
              return row === undefined ? [] : [[digest, Number(row['lastUsed'])] as const]
            }),
          ),
      )
    },
    removeLinks: (...digests) =>
      changeAll(digests, (sql, digest) => {
        if (sql.findContent.get(digest) !== undefined) return undefined
        return Number(sql.removeLinksOf.run(digest).changes) > 0 ? 'more' : undefined
      }),
  }
}

/** A range of the index `content_by_room`: content that vanished upstream or not, small or not. */
export type Range = readonly [vanished: 0 | 1, small: 0 | 1]
export const RANGES: readonly Range[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
]

/**
 * The row goes last: a process that dies in between leaves content that has to be proved and recorded again.
 */
function removeStep(sql: Statements, digest: Digest): 'more' | undefined {
  if (Number(sql.removeLinksOf.run(digest).changes) === STEP) return 'more'
  return removeWithoutLinks(sql, digest)
}

function removeWithoutLinks(sql: Statements, digest: Digest): 'more' | undefined {
  sql.setReferences.run(digest, null)
  if (Number(sql.removeReferences.run(digest).changes) === STEP) return 'more'
  sql.removeContent.run(digest)
  return undefined
}

interface Row extends Omit<StoredContent, 'upstreams'> {
  /** Only of rows in the order of their download. */
  readonly storedAt: number
}

function unused(
  sql: Statements,
  range: Range,
  before: number,
  options: InventoryOptions,
): Steps<readonly StoredContent[]> {
  return take(
    sql,
    (last) => sql.longestUnused.all(...range, before, last?.lastUsed ?? -1, last?.digest ?? ''),
    options,
  )
}

function fetchedBefore(
  sql: Statements,
  instant: number,
  options: InventoryOptions,
): Steps<readonly StoredContent[]> {
  return take(
    sql,
    (last) => sql.fetchedBefore.all(instant, last?.storedAt ?? -1, last?.digest ?? ''),
    options,
  )
}

function* take(
  sql: Statements,
  page: (last: Row | undefined) => readonly unknown[],
  { limit, except, keep = () => false }: InventoryOptions,
): Steps<readonly StoredContent[]> {
  const taken: StoredContent[] = []
  yield* eachRow<Row>(
    (last) => (taken.length >= limit ? [] : page(last)),
    ({ digest, size, lastUsed }) => {
      if (taken.length >= limit || except.has(digest)) return
      const upstreams = upstreamsOf(sql, digest)
      if (!upstreams.some(keep)) taken.push({ digest, size, lastUsed, upstreams })
    },
  )
  return taken
}

export function upstreamsOf(sql: Statements, digest: Digest): readonly string[] {
  const upstreams: string[] = []
  for (let last = ''; ;) {
    const row = sql.nextUpstreamOf.get(digest, last)
    if (row === undefined) return upstreams
    last = String(row['upstream'])
    upstreams.push(last)
  }
}
