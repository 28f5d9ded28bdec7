import type { Digest } from '../../oci/digest.ts'
import type { ContentInventory, InventoryOptions, StoredContent } from '../../ports/metadata.ts'
import type { Size } from '../../ports/operations.ts'
import type { IndexAccess } from './index-access.ts'
import type { Statements } from './sql.ts'
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
  /**
   * Records a use; `hit` when the content was read. Uses are kept in memory for some seconds before they are
   * written.
   */
  use(digest: Digest, hit?: boolean): void
  add(digest: Digest, row: ContentRow): Promise<void>
  /** Also removes the links and references of the content. */
  remove(...digests: readonly Digest[]): Promise<void>
  totals(): Promise<Size>
}

export interface ContentIndexOptions extends Pick<IndexAccess, 'query' | 'changeAll'> {
  readonly uses: Pick<UsageLog<[Digest]>, 'note' | 'flush'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function contentIndex({ query, changeAll, uses, now }: ContentIndexOptions): ContentIndex {
  return {
    find: (digest) => query((sql) => sql.findContent.get(digest) as ContentRow | undefined),
    use: (digest, hit) => uses.note([digest], hit),
    add: (digest, { size, mediaType }) =>
      query((sql) => void sql.addContent.run(digest, size, mediaType, now(), now())),
    remove: (...digests) => changeAll(digests, removeContent),
    async olderThan(instant, by, options) {
      if (by === 'fetch') return query((sql) => take(sql.fetchedBefore.iterate(instant), options))
      await uses.flush()
      return query((sql) =>
        RANGES.flatMap((range) => unused(sql, range, instant, options)).slice(0, options.limit),
      )
    },
    async longestUnused(options) {
      await uses.flush()
      return query((sql) => {
        const of = (ranges: readonly Range[]) =>
          ranges.flatMap((range) => unused(sql, range, Number.MAX_SAFE_INTEGER, options))
        const replaceable = of(RANGES.filter(([vanished]) => vanished === 0))
        return replaceable.length > 0 ? replaceable : of(RANGES)
      })
    },
    totals: () => query((sql) => ({ ...(sql.totals.get() as unknown as Size) })),
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

function removeContent(sql: Statements, digest: Digest): void {
  sql.removeContent.run(digest)
  sql.removeLinksOf.run(digest)
}

function unused(
  sql: Statements,
  range: Range,
  before: number,
  options: InventoryOptions,
): readonly StoredContent[] {
  return take(sql.longestUnused.iterate(...range, before), options)
}

function take(rows: Iterable<unknown>, { limit, except }: InventoryOptions): readonly StoredContent[] {
  const taken: StoredContent[] = []
  for (const row of rows) {
    const { upstreams, ...content } = row as Omit<StoredContent, 'upstreams'> & { upstreams: string | null }
    if (!except.has(content.digest)) taken.push({ ...content, upstreams: upstreams?.split(',') ?? [] })
    if (taken.length >= limit) break
  }
  return taken
}
