import { DatabaseSync } from 'node:sqlite'
import type { Digest } from '../oci/digest.ts'
import type { LinkIndex, StoredContent, TagEntry, TagIndex } from '../oci/indexes.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { migrate } from './schema.ts'
import type { Attempt } from './storage-error.ts'
import { usageLog } from './usage-log.ts'

export interface ContentRow {
  readonly size: number
  readonly mediaType: string
}

/** What is known of committed content. All of it can be had again from the files, but for when they were used. */
export interface ContentIndex {
  find(digest: Digest): ContentRow | undefined
  /** Notes a use. Kept in memory for a moment: losing it costs nothing but its order among the others. */
  use(digest: Digest): void
  add(digest: Digest, row: ContentRow): Promise<void>
  /** Its links go with it. */
  remove(digest: Digest): Promise<void>
  leastRecentlyUsed(limit: number): Promise<readonly StoredContent[]>
  readonly totals: { readonly objects: number; readonly bytes: number }
}

export interface SqliteIndex {
  readonly content: ContentIndex
  readonly links: LinkIndex
  readonly tags: TagIndex
  /** Writes what is kept in memory and closes the file. */
  close(): void
}

/** How many changes of one tag are remembered. */
const HISTORY = 100

/** Opens the index, making it where there is none. `now`: epoch milliseconds. @throws when the file is no index. */
export function sqliteIndex(file: string, attempt: Attempt, now: () => number): SqliteIndex {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000')
  migrate(db)
  const sql = statements(db)
  const totals = sql.totals.get() as { objects: number; bytes: number }
  const doing = <T>(task: () => T): Promise<T> => attempt('index', async () => task())
  const inTransaction = (task: () => void): void => {
    db.exec('BEGIN IMMEDIATE')
    try {
      task()
      db.exec('COMMIT')
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
  const contentUses = usageLog<[Digest]>(now, (uses) =>
    inTransaction(() => uses.forEach(({ key, at }) => sql.useContent.run(at, ...key))),
  )
  const tagUses = usageLog<[string, string, string]>(now, (uses) =>
    inTransaction(() => uses.forEach(({ key, at }) => sql.useTag.run(at, ...key))),
  )

  return {
    content: {
      totals,
      find: (digest) => sql.findContent.get(digest) as ContentRow | undefined,
      use: (digest) => contentUses.note([digest]),
      add: (digest, { size, mediaType }) =>
        doing(() => {
          const before = sql.findContent.get(digest) as ContentRow | undefined
          sql.addContent.run(digest, size, mediaType, now(), now())
          totals.objects += before === undefined ? 1 : 0
          totals.bytes += size - (before?.size ?? 0)
        }),
      remove: (digest) =>
        doing(() => {
          const row = sql.findContent.get(digest) as ContentRow | undefined
          inTransaction(() => {
            sql.removeContent.run(digest)
            sql.removeLinksOf.run(digest)
          })
          totals.objects -= row === undefined ? 0 : 1
          totals.bytes -= row?.size ?? 0
        }),
      leastRecentlyUsed: (limit) =>
        doing(() => {
          contentUses.flush()
          return sql.oldest.all(limit) as unknown as StoredContent[]
        }),
    },

    links: {
      has: ({ upstream, name }, digest) => doing(() => sql.hasLink.get(upstream, name, digest) !== undefined),
      add: ({ upstream, name }, digest) => doing(() => void sql.addLink.run(upstream, name, digest)),
      remove: ({ upstream, name }, digest) => doing(() => void sql.removeLink.run(upstream, name, digest)),
    },

    tags: {
      get: ({ upstream, name }, tag) =>
        doing(() => {
          const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
          if (entry !== undefined) tagUses.note([upstream, name, tag])
          return entry && { digest: entry.digest, checkedAt: entry.checkedAt }
        }),
      set: (repository, tag, entry) => doing(() => inTransaction(() => setTag(repository, tag, entry))),
      remove: ({ upstream, name }, tag) => doing(() => void sql.removeTag.run(upstream, name, tag)),
      removeUnusedSince: (instant) =>
        doing(() => {
          tagUses.flush()
          return Number(sql.removeOldTags.run(instant).changes)
        }),
    },

    close() {
      contentUses.close()
      tagUses.close()
      db.close()
    },
  }

  function setTag({ upstream, name }: RepositoryName, tag: string, { digest, checkedAt }: TagEntry): void {
    const before = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
    sql.setTag.run(upstream, name, tag, digest, checkedAt, now())
    if (before?.digest === digest) return
    sql.addHistory.run(upstream, name, tag, checkedAt, digest)
    sql.trimHistory.run(upstream, name, tag, upstream, name, tag, HISTORY)
  }
}

function statements(db: DatabaseSync) {
  const sql = (text: string) => db.prepare(text)
  const repository = 'upstream = ? AND repository = ?'
  return {
    totals: sql('SELECT count(*) AS objects, coalesce(sum(size), 0) AS bytes FROM content'),
    findContent: sql('SELECT size, media_type AS mediaType FROM content WHERE digest = ?'),
    addContent: sql(
      `INSERT INTO content (digest, size, media_type, stored_at, last_used) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET size = excluded.size, media_type = excluded.media_type`,
    ),
    useContent: sql('UPDATE content SET last_used = ? WHERE digest = ?'),
    removeContent: sql('DELETE FROM content WHERE digest = ?'),
    oldest: sql('SELECT digest, size, last_used AS lastUsed FROM content ORDER BY last_used LIMIT ?'),
    hasLink: sql(`SELECT 1 FROM links WHERE ${repository} AND digest = ?`),
    addLink: sql('INSERT OR IGNORE INTO links (upstream, repository, digest) VALUES (?, ?, ?)'),
    removeLink: sql(`DELETE FROM links WHERE ${repository} AND digest = ?`),
    removeLinksOf: sql('DELETE FROM links WHERE digest = ?'),
    findTag: sql(`SELECT digest, checked_at AS checkedAt FROM tags WHERE ${repository} AND tag = ?`),
    setTag: sql(
      'INSERT OR REPLACE INTO tags (upstream, repository, tag, digest, checked_at, last_used) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    useTag: sql(`UPDATE tags SET last_used = ? WHERE ${repository} AND tag = ?`),
    removeTag: sql(`DELETE FROM tags WHERE ${repository} AND tag = ?`),
    removeOldTags: sql('DELETE FROM tags WHERE last_used < ?'),
    addHistory: sql('INSERT INTO tag_history (upstream, repository, tag, at, digest) VALUES (?, ?, ?, ?, ?)'),
    trimHistory: sql(
      `DELETE FROM tag_history WHERE ${repository} AND tag = ? AND id NOT IN
       (SELECT id FROM tag_history WHERE ${repository} AND tag = ? ORDER BY id DESC LIMIT ?)`,
    ),
  }
}
