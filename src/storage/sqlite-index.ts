import type { Digest } from '../oci/digest.ts'
import type { LinkIndex, StoredContent, TagChange, TagEntry, TagHistory, TagIndex } from '../oci/indexes.ts'
import type { StoreTelemetry } from '../oci/telemetry.ts'
import { type IndexDatabase, indexDatabase } from './index-database.ts'
import { statements } from './sql.ts'
import { type Attempt, codeOf } from './storage-error.ts'
import { usageLog } from './usage-log.ts'

export interface ContentRow {
  readonly size: number
  readonly mediaType: string
}

/** What is known of committed content. All of it can be had again from the files, but for when they were used. */
export interface ContentIndex {
  find(digest: Digest): Promise<ContentRow | undefined>
  /** Notes a use. Kept in memory for a moment: losing it costs nothing but its order among the others. */
  use(digest: Digest): void
  add(digest: Digest, row: ContentRow): Promise<void>
  /** Its links go with it. */
  remove(digest: Digest): Promise<void>
  leastRecentlyUsed(limit: number): Promise<readonly StoredContent[]>
  totals(): Promise<{ readonly objects: number; readonly bytes: number }>
}

export interface SqliteIndex {
  readonly content: ContentIndex
  readonly links: LinkIndex
  readonly tags: TagIndex & TagHistory
  /** Writes what is kept in memory and closes the file. */
  close(): void
}

export interface SqliteIndexOptions {
  readonly file: string
  readonly attempt: Attempt
  readonly telemetry: StoreTelemetry
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Told each time the index begins empty: it is new, or was found damaged and set aside. */
  readonly emptied: () => void
}

/** Opens the index, making it where there is none. @throws Error when it is of a later version of this program. */
export function sqliteIndex({ file, attempt, telemetry, now, emptied }: SqliteIndexOptions): SqliteIndex {
  type Sql = ReturnType<typeof statements>
  const database: IndexDatabase<Sql> = indexDatabase(file, statements, emptied)
  const doing = <T>(task: (sql: Sql) => T): Promise<T> => attempt('index', async () => database.run(task))
  const changing = <T>(task: (sql: Sql) => T): Promise<T> =>
    attempt('index', async () => database.transact(task))
  /** Lost uses make eviction a little less fair and nothing else; eviction is what a full disk needs most. */
  const written = (task: (sql: Sql) => void): boolean => {
    try {
      database.transact(task)
      return true
    } catch (error) {
      if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
      telemetry.failed('index')
      return false
    }
  }
  const contentUses = usageLog<[Digest]>(now, (uses) =>
    written((sql) => uses.forEach(({ key, at }) => sql.useContent.run(at, ...key))),
  )
  const tagUses = usageLog<[string, string, string]>(now, (uses) =>
    written((sql) => uses.forEach(({ key, at }) => sql.useTag.run(at, ...key))),
  )

  return {
    content: {
      find: (digest) => doing((sql) => sql.findContent.get(digest) as ContentRow | undefined),
      use: (digest) => contentUses.note([digest]),
      add: (digest, { size, mediaType }) =>
        doing((sql) => void sql.addContent.run(digest, size, mediaType, now(), now())),
      remove: (digest) =>
        changing((sql) => {
          sql.removeContent.run(digest)
          sql.removeLinksOf.run(digest)
        }),
      async leastRecentlyUsed(limit) {
        await contentUses.flush()
        return doing((sql) => sql.oldest.all(limit) as unknown as StoredContent[])
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

    tags: {
      get: ({ upstream, name }, tag) =>
        doing((sql) => {
          const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
          if (entry !== undefined) tagUses.note([upstream, name, tag])
          return entry && { digest: entry.digest, checkedAt: entry.checkedAt }
        }),
      set: ({ upstream, name }, tag, { digest, checkedAt }) =>
        changing((sql) => {
          sql.setTag.run(upstream, name, tag, digest, checkedAt, now())
          const last = sql.lastChange.get(upstream, name, tag) as { digest: Digest } | undefined
          if (last?.digest === digest) return
          sql.addChange.run(upstream, name, tag, checkedAt, digest)
          sql.trimHistory.run(upstream, name, tag)
        }),
      remove: ({ upstream, name }, tag) => doing((sql) => void sql.removeTag.run(upstream, name, tag)),
      async removeUnusedSince(instant) {
        await tagUses.flush()
        return changing((sql) => {
          const { changes } = sql.removeOldTags.run(instant)
          sql.removeOldHistory.run(instant)
          return Number(changes)
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

    close() {
      contentUses.close()
      tagUses.close()
      database.close()
    },
  }
}
