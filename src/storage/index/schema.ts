import type { DatabaseSync } from 'node:sqlite'
import { CONVERSIONS } from '../conversions/conversion-sql.ts'
import { V1_CONTENT } from '../v1/v1-sql.ts'
import { UPSTREAM_TOTALS } from './upstreams/upstream-totals.ts'
import { widenPins } from './widen-pins.ts'

/**
 * The versions of the schema, in order. A published version is never edited; a later one changes it. Instants
 * are epoch milliseconds.
 */
const MIGRATIONS: readonly (string | ((db: DatabaseSync) => void))[] = [
  `CREATE TABLE content (
     digest TEXT PRIMARY KEY, size INTEGER NOT NULL, media_type TEXT NOT NULL,
     stored_at INTEGER NOT NULL, last_used INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX content_by_use ON content (last_used, digest, size);

   -- Which repository has been seen to contain which content.
   CREATE TABLE links (
     upstream TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL,
     PRIMARY KEY (upstream, repository, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX links_by_digest ON links (digest);

   CREATE TABLE tags (
     upstream TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
     digest TEXT NOT NULL, checked_at INTEGER NOT NULL, last_used INTEGER NOT NULL,
     PRIMARY KEY (upstream, repository, tag)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX tags_by_use ON tags (last_used);

   -- Every change of the digest of a tag.
   CREATE TABLE tag_history (
     id INTEGER PRIMARY KEY, upstream TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
     at INTEGER NOT NULL, digest TEXT NOT NULL
   ) STRICT;
   CREATE INDEX tag_history_by_tag ON tag_history (upstream, repository, tag, id);`,
  `-- One row, because counting a million objects takes longer than a start may.
   CREATE TABLE totals (objects INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
   INSERT INTO totals SELECT count(*), coalesce(sum(size), 0) FROM content;
   CREATE TRIGGER content_added AFTER INSERT ON content BEGIN
     UPDATE totals SET objects = objects + 1, bytes = bytes + new.size;
   END;
   CREATE TRIGGER content_resized AFTER UPDATE OF size ON content BEGIN
     UPDATE totals SET bytes = bytes + new.size - old.size;
   END;
   CREATE TRIGGER content_removed AFTER DELETE ON content BEGIN
     UPDATE totals SET objects = objects - 1, bytes = bytes - old.size;
   END;`,
  `ALTER TABLE content ADD COLUMN hits INTEGER NOT NULL DEFAULT 0;

   -- The config and layers of a manifest, or the manifests of an index.
   CREATE TABLE refs (
     parent TEXT NOT NULL, child TEXT NOT NULL,
     PRIMARY KEY (parent, child)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX refs_by_child ON refs (child);

   -- Patterns of images that are never evicted.
   CREATE TABLE pins (pattern TEXT PRIMARY KEY, added_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  `-- Upstream has no tag for it any more, so it may not be available again.
   ALTER TABLE content ADD COLUMN vanished INTEGER NOT NULL DEFAULT 0;
   DROP INDEX content_by_use;
   -- Small content is queried apart, or among the oldest of all nothing else would be seen.
   CREATE INDEX content_by_room ON content (vanished, (size < 65536), last_used, digest, size);
   CREATE INDEX content_by_fetch ON content (stored_at, digest);`,
  `CREATE TRIGGER references_removed AFTER DELETE ON content BEGIN
     DELETE FROM refs WHERE parent = old.digest;
   END;

   -- Images are found by their manifests, which are few among the content, and by the tags that point to them.
   CREATE INDEX manifests ON content (digest) WHERE media_type <> 'application/octet-stream';
   CREATE INDEX tags_by_digest ON tags (digest);`,
  widenPins,
  `-- How many references of a manifest are recorded. NULL: none, or not all yet, or not all any more.
   ALTER TABLE content ADD COLUMN refs INTEGER;
   UPDATE content SET refs = (SELECT count(*) FROM refs WHERE parent = content.digest)
     WHERE media_type <> 'application/octet-stream' AND EXISTS (SELECT 1 FROM refs WHERE parent = content.digest);

   -- What the repository's upstream says the content is. NULL: it has not said it to this repository.
   ALTER TABLE links ADD COLUMN media_type TEXT;

   -- Facts about the store as a whole.
   CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  `-- What the cache spared, by day since 1970 (UTC), and what upstreams sent in how many milliseconds.
   CREATE TABLE savings (
     day INTEGER NOT NULL, upstream TEXT NOT NULL, repository TEXT NOT NULL, network TEXT NOT NULL,
     requests INTEGER NOT NULL, bytes INTEGER NOT NULL, budget INTEGER NOT NULL,
     PRIMARY KEY (day, upstream, repository, network)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE rates (
     day INTEGER NOT NULL, upstream TEXT NOT NULL, bytes INTEGER NOT NULL, milliseconds INTEGER NOT NULL,
     PRIMARY KEY (day, upstream)
   ) STRICT, WITHOUT ROWID;`,
  `-- Digests that no cool-down holds back.
   CREATE TABLE trusted (
     upstream TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL, added_at INTEGER NOT NULL,
     PRIMARY KEY (upstream, repository, digest)
   ) STRICT, WITHOUT ROWID;`,
  `-- When a tag ceased to point to the digest, where the next row does not tell: upstream had deleted the tag, or
   -- the rows that followed are gone. They may be where there are as many rows as are kept.
   ALTER TABLE tag_history ADD COLUMN ended_at INTEGER;
   UPDATE tag_history SET ended_at = at WHERE id IN
     (SELECT min(id) FROM tag_history GROUP BY upstream, repository, tag HAVING count(*) >= 100);
   -- When upstream said that a tag does not exist, which is kept all the same.
   ALTER TABLE tags ADD COLUMN gone_at INTEGER;`,
  UPSTREAM_TOTALS,
  `-- Repositories of other registries that images were pushed to, and what they were seen to have. The youngest
   -- has the highest id.
   CREATE TABLE upload_sources (
     id INTEGER PRIMARY KEY, registry TEXT NOT NULL, digest TEXT NOT NULL, repository TEXT NOT NULL,
     seal TEXT NOT NULL, at INTEGER NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX upload_sources_by_digest ON upload_sources (registry, digest, repository);`,
  `-- What the runs of CI systems have resolved: the manifests that tags pointed to, and those read by digest (tag '').
   CREATE TABLE runs (
     id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, client TEXT NOT NULL, started_at INTEGER NOT NULL,
     entries INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX runs_by_age ON runs (started_at);
   CREATE INDEX runs_by_client ON runs (client, started_at);
   CREATE TABLE run_entries (
     run INTEGER NOT NULL, upstream TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
     digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (run, upstream, repository, tag, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE run_totals (runs INTEGER NOT NULL, entries INTEGER NOT NULL) STRICT;
   INSERT INTO run_totals VALUES (0, 0);
   CREATE TRIGGER run_added AFTER INSERT ON runs BEGIN UPDATE run_totals SET runs = runs + 1; END;
   CREATE TRIGGER run_removed AFTER DELETE ON runs BEGIN
     UPDATE run_totals SET runs = runs - 1, entries = entries - old.entries;
     DELETE FROM run_entries WHERE run = old.id;
   END;
   CREATE TRIGGER run_entry_added AFTER INSERT ON run_entries BEGIN
     UPDATE runs SET entries = entries + 1 WHERE id = new.run;
     UPDATE run_totals SET entries = entries + 1;
   END;`,
  CONVERSIONS,
  `-- Which endpoint of an upstream has answered for a tag, or listed the tags of a repository. The youngest has the
   -- highest id.
   CREATE TABLE endpoint_owners (
     id INTEGER PRIMARY KEY, upstream TEXT NOT NULL, repository TEXT NOT NULL, thing TEXT NOT NULL,
     url TEXT NOT NULL, at INTEGER NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX endpoint_owners_by_thing ON endpoint_owners (upstream, repository, thing);`,
  V1_CONTENT,
]

/**
 * Migrates the database to a version, the current one unless another is given. @returns whether it was empty
 * @throws when it is of a version that this program does not know
 */
export function migrate(db: DatabaseSync, target = MIGRATIONS.length): boolean {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > MIGRATIONS.length) {
    throw new Error(`index.sqlite is of version ${version}, this program reads up to ${MIGRATIONS.length}`)
  }
  for (const [step, migration] of MIGRATIONS.slice(0, target).entries()) {
    if (step < version) continue
    db.exec('BEGIN')
    if (typeof migration === 'string') db.exec(migration)
    else migration(db)
    db.exec(`PRAGMA user_version = ${step + 1}; COMMIT`)
  }
  return version === 0
}
