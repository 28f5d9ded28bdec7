import type { DatabaseSync } from 'node:sqlite'

/** A version of the schema. */
export const CONVERSIONS = `-- What images of schema 1 were converted to. The three are content.
   CREATE TABLE conversions (source TEXT PRIMARY KEY, manifest TEXT NOT NULL, config TEXT NOT NULL) STRICT,
     WITHOUT ROWID;
   CREATE INDEX conversions_by_manifest ON conversions (manifest);
   CREATE INDEX conversions_by_config ON conversions (config);
   -- The tars in layers.
   CREATE TABLE layer_facts (
     digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL, is_gzip INTEGER NOT NULL, is_empty INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TRIGGER conversions_removed AFTER DELETE ON content BEGIN
     DELETE FROM conversions WHERE source = old.digest;
     DELETE FROM conversions WHERE manifest = old.digest;
     DELETE FROM conversions WHERE config = old.digest;
     DELETE FROM layer_facts WHERE digest = old.digest;
   END;`

/** The statements about conversions and the layers of what was converted. */
export function conversionStatements(db: DatabaseSync) {
  return {
    findConversion: db.prepare('SELECT manifest, config FROM conversions WHERE source = ?'),
    addConversion: db.prepare(
      `INSERT OR REPLACE INTO conversions (source, manifest, config) SELECT ?1, ?2, ?3
       WHERE (SELECT count(*) FROM content WHERE digest IN (?1, ?2, ?3)) = 3`,
    ),
    sourcesOf: db.prepare('SELECT source FROM conversions WHERE manifest = ?'),
    addReference: db.prepare('INSERT OR IGNORE INTO refs (parent, child) VALUES (?, ?)'),
    countReference: db.prepare('UPDATE content SET refs = refs + 1 WHERE digest = ?'),
    findLayerFacts: db.prepare(
      `SELECT diff_id AS diffId, is_gzip AS isGzip, is_empty AS isEmpty FROM layer_facts WHERE digest = ?`,
    ),
    addLayerFacts: db.prepare(
      `INSERT OR REPLACE INTO layer_facts (digest, diff_id, is_gzip, is_empty) SELECT ?1, ?2, ?3, ?4
       WHERE EXISTS (SELECT 1 FROM content WHERE digest = ?1)`,
    ),
  }
}
