import { LRUCache } from 'lru-cache'
import type { Digest } from '../../../oci/digest.ts'
import type { InventoryOptions, StoredContent, UpstreamInventory } from '../../../ports/metadata.ts'
import type { Size } from '../../../ports/operations.ts'
import { upstreamsOf } from '../content-index.ts'
import { eachRow, inSlices, type Steps } from '../in-slices.ts'
import type { IndexAccess } from '../index-access.ts'
import { LongestUnused, type UnusedContent } from '../longest-unused.ts'
import type { Statements } from '../sql.ts'
import type { UsageLog } from '../usage-log.ts'

export interface UpstreamInventoryOptions extends Pick<IndexAccess, 'query' | 'changeAll'> {
  readonly uses: Pick<UsageLog<[Digest]>, 'flush'>
}

/** Upstreams whose content is remembered in the order of its last use, */
const REMEMBERED = 8
/** and for how many milliseconds. */
const MAX_AGE = 60_000

/**
 * No index orders the content of an upstream by its last use: it would be written at each use of everything.
 * So one walk over the links of an upstream finds what is evicted over many calls. What was used since the
 * walk is left out, and the rest is still in order.
 */
export function upstreamInventory({ query, changeAll, uses }: UpstreamInventoryOptions): UpstreamInventory {
  const walks = new LRUCache<string, LongestUnused>({
    max: REMEMBERED,
    ttl: MAX_AGE,
    ttlAutopurge: true,
  })

  return {
    async usageByUpstream() {
      const rows = await query((sql) => sql.upstreamTotals.all())
      return new Map(
        (rows as unknown as readonly (Size & { readonly upstream: string })[]).map(
          ({ upstream, objects, bytes }) => [upstream, { objects, bytes }],
        ),
      )
    },
    async longestUnusedOf(upstream, options) {
      await uses.flush()
      const known = walks.get(upstream)
      const found = known && (await inSlices(query, (sql) => stillUnused(sql, upstream, known, options)))
      if (found !== undefined && found.length > 0) return found
      return inSlices(query, function* (sql) {
        const walked = yield* walk(sql, upstream, options)
        walks.set(upstream, walked)
        return yield* stillUnused(sql, upstream, walked, options)
      })
    },
    unlink: (upstream, ...digests) =>
      changeAll(digests, (sql, digest) =>
        Number(sql.removeLinksOfUpstream.run(digest, upstream).changes) > 0 ? 'more' : undefined,
      ),
  }
}

function* walk(
  sql: Statements,
  upstream: string,
  { except }: Pick<InventoryOptions, 'except'>,
): Steps<LongestUnused> {
  const unused = new LongestUnused()
  yield* eachRow<UnusedContent & { readonly repository: string }>(
    (last) => sql.contentOfUpstream.all(upstream, last?.repository ?? '', last?.digest ?? ''),
    ({ digest, size, lastUsed, vanished }) => {
      if (!except.has(digest)) unused.add({ digest, size, lastUsed, vanished })
    },
  )
  return unused
}

function* stillUnused(
  sql: Statements,
  upstream: string,
  unused: LongestUnused,
  { limit, except, keep = () => false }: InventoryOptions,
): Steps<readonly StoredContent[]> {
  const isUnused = ({ digest, lastUsed }: UnusedContent): boolean =>
    sql.isStillUnused.get(digest, lastUsed, upstream) !== undefined
  const found: StoredContent[] = []
  for (const content of yield* unused.first(limit, isUnused, ({ digest }) => except.has(digest))) {
    const { digest, size, lastUsed } = content
    const upstreams = upstreamsOf(sql, digest)
    if (!upstreams.some(keep)) found.push({ digest, size, lastUsed, upstreams })
    yield
  }
  return found
}
