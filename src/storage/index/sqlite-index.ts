import type { StatementResultingChanges } from 'node:sqlite'
import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type {
  ContentInventory,
  InventoryOptions,
  LinkIndex,
  ReferenceIndex,
  StoredContent,
  TagChange,
  TagEntry,
  TagHistory,
  TagIndex,
  TagUses,
} from '../../ports/metadata.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'
import { type IndexDatabase, indexDatabase } from './index-database.ts'
import { pinnedBy } from '../operations/pinned-by.ts'
import { type Query, type Statements, statements } from './sql.ts'
import { type StorageOperation, codeOf, ignoreStorageError } from '../storage-operation.ts'
import { type Use, usageLog } from './usage-log.ts'

export interface ContentRow {
  readonly size: number
  readonly mediaType: string
}

/** What is known of committed content. All of it can be had again from the files, but for when they were used. */
export interface ContentIndex extends Omit<ContentInventory, 'usage'> {
  find(digest: Digest): Promise<ContentRow | undefined>
  /** Notes a use; `hit` when it is read. Kept in memory for a moment: losing it costs nothing but its order among the others. */
  use(digest: Digest, hit?: boolean): void
  add(digest: Digest, row: ContentRow): Promise<void>
  /** Links and references go with it. */
  remove(...digests: readonly Digest[]): Promise<void>
  /** Notes what a manifest refers to. */
  refer(parent: Digest, children: readonly Digest[]): Promise<void>
  totals(): Promise<{ readonly objects: number; readonly bytes: number }>
}

export interface SqliteIndex {
  /** Brings what was written under a clock that was ahead back to now, or it would be the last to go. `stopped` ends it early. */
  clampInstants(stopped: () => boolean): Promise<void>
  /** For what reads the index as a whole. */
  readonly query: Query
  /** Writes the uses that are kept in memory. */
  flush(): Promise<void>
  readonly content: ContentIndex
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex & TagUses & TagHistory
  /** Writes what is kept in memory and closes the file. */
  close(): void
}

export interface SqliteIndexOptions {
  readonly file: string
  readonly run: StorageOperation
  readonly telemetry: StoreTelemetry
  /** Images whose tags are not forgotten when nobody uses them. */
  readonly pinned: readonly ImagePattern[]
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Told each time the index begins empty: it is new, or was found damaged and set aside. */
  readonly emptied: () => void
}

/** Opens the index, making it where there is none. @throws Error when it is of a later version of this program. */
export function sqliteIndex(options: SqliteIndexOptions): SqliteIndex {
  const { file, run, telemetry, pinned, now, emptied } = options
  const database: IndexDatabase<Statements> = indexDatabase(file, statements, emptied)
  const doing = <T>(task: (sql: Statements) => T): Promise<T> => run('index', async () => database.run(task))
  const changing = <T>(task: (sql: Statements) => T): Promise<T> =>
    run('index', async () => database.transact(task))
  const rest = (): Promise<void> => run('index', () => database.rest()).catch(ignoreStorageError)
  /** Lost uses make eviction a little less fair and nothing else; eviction is what a full disk needs most. */
  const uses = <K extends readonly string[]>(write: (sql: Statements, use: Use<K>) => void) =>
    usageLog<K>({
      now,
      rest,
      write(noted) {
        try {
          return database.transactSome(noted, write)
        } catch (error) {
          if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
          telemetry.failed('index')
          return 0
        }
      },
    })
  const contentUses = uses<[Digest]>((sql, { key, at, hits }) => {
    sql.useContent.run(at, hits, ...key)
    sql.useChildren.run(at, ...key)
  })
  const tagUses = uses<[string, string, string]>((sql, { key, at }) => void sql.useTag.run(at, ...key))

  return {
    query: doing,
    async flush() {
      await contentUses.flush()
      await tagUses.flush()
    },

    content: {
      find: (digest) => doing((sql) => sql.findContent.get(digest) as ContentRow | undefined),
      use: (digest, hit) => contentUses.note([digest], hit),
      add: (digest, { size, mediaType }) =>
        doing((sql) => void sql.addContent.run(digest, size, mediaType, now(), now())),
      async remove(...digests) {
        let left = digests
        while (left.length > 0) {
          const removed = await run('index', async () => database.transactSome(left, removeContent))
          left = left.slice(removed)
          if (left.length > 0) await rest()
        }
      },
      refer: (parent, children) =>
        changing((sql) => children.forEach((child) => sql.addReference.run(parent, child))),
      async olderThan(instant, by, options) {
        if (by === 'fetch') return doing((sql) => take(sql.fetchedBefore.iterate(instant), options))
        await contentUses.flush()
        return doing((sql) =>
          RANGES.flatMap((range) => unused(sql, range, instant, options)).slice(0, options.limit),
        )
      },
      async longestUnused(options) {
        await contentUses.flush()
        return doing((sql) => {
          const of = (ranges: readonly Range[]) =>
            ranges.flatMap((range) => unused(sql, range, Number.MAX_SAFE_INTEGER, options))
          const replaceable = of(RANGES.filter(([vanished]) => vanished === 0))
          return replaceable.length > 0 ? replaceable : of(RANGES)
        })
      },
      totals: () => doing((sql) => ({ ...(sql.totals.get() as { objects: number; bytes: number }) })),
    },

    links: {
      has: ({ upstream, name }, digest) =>
        doing((sql) => sql.hasLink.get(upstream, name, digest) !== undefined),
      knows: (upstream, digest) => doing((sql) => sql.knowsLink.get(digest, upstream) !== undefined),
      add: ({ upstream, name }, digest) => doing((sql) => void sql.addLink.run(upstream, name, digest)),
      remove: ({ upstream, name }, digest) => doing((sql) => void sql.removeLink.run(upstream, name, digest)),
    },

    references: {
      of: (manifest) => doing((sql) => sql.references.all(manifest).map(({ child }) => child as Digest)),
      record: (manifest, references) =>
        changing((sql) => {
          const isStored = sql.findContent.get(manifest) !== undefined
          if (!isStored || sql.hasReferences.get(manifest) !== undefined) return
          for (const digest of references) sql.addReference.run(manifest, digest)
        }),
    },

    tags: {
      get: ({ upstream, name }, tag) =>
        doing((sql) => {
          const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
          if (entry !== undefined) tagUses.note([upstream, name, tag])
          return entry && { digest: entry.digest, checkedAt: entry.checkedAt }
        }),
      use: ({ upstream, name }, tag) => tagUses.note([upstream, name, tag]),
      set: ({ upstream, name }, tag, { digest, checkedAt }) =>
        changing((sql) => {
          sql.setTag.run(upstream, name, tag, digest, checkedAt, now())
          if (sql.hasVanished.get(digest) !== undefined) sql.setVanished.run(digest, 0)
          const last = sql.lastChange.get(upstream, name, tag) as { digest: Digest } | undefined
          if (last?.digest === digest) return
          sql.addChange.run(upstream, name, tag, checkedAt, digest)
          sql.trimHistory.run(upstream, name, tag)
        }),
      remove: ({ upstream, name }, tag) =>
        changing((sql) => {
          const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
          if (entry !== undefined) sql.setVanished.run(entry.digest, 1)
          sql.removeTag.run(upstream, name, tag)
        }),
      async removeUnusedSince(instant) {
        await tagUses.flush()
        return changing((sql) => {
          const isPinned = pinnedBy(sql, pinned)
          const old = (sql.oldTags.all(instant) as unknown as TagRow[]).filter(
            ({ upstream, repository: name, ...image }) =>
              !isPinned({ repository: { upstream, name }, ...image }),
          )
          for (const { upstream, repository, tag } of old) sql.removeTag.run(upstream, repository, tag)
          sql.removeOldHistory.run(instant)
          return old.length
        })
      },
      history: ({ upstream, name }, tag) =>
        doing((sql) =>
          (sql.history.all(upstream, name, tag) as unknown as TagChange[]).map(({ at, digest }) => ({
            at,
            digest,
          })),
        ),
    },

    async clampInstants(stopped) {
      const some: readonly ((sql: Statements) => StatementResultingChanges)[] = [
        ...RANGES.map((range) => (sql: Statements) => sql.clampUses.run(...range, now())),
        (sql) => sql.clampFetches.run(now()),
        (sql) => sql.clampTags.run(now()),
      ]
      for (const clamp of some) {
        while (!stopped() && Number((await changing(clamp)).changes) > 0) await rest()
      }
    },

    close() {
      contentUses.close()
      tagUses.close()
      database.close()
    },
  }
}

interface TagRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
}

type Range = readonly [vanished: 0 | 1, small: 0 | 1]
const RANGES: readonly Range[] = [
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
