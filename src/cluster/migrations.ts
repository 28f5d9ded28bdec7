import type { Pool } from 'pg'

/**
 * The versions of the schema, in order. What a published one makes is never edited. Each adds only what older
 * replicas ignore: during a rolling update both run. Each may be run again over what is left of a database that
 * lost a part of its tables. Instants are epoch milliseconds of the database's clock.
 */
const MIGRATIONS: readonly string[] = [
  `-- Which repository has been seen to contain which content, and what its upstream says that it is.
   CREATE TABLE IF NOT EXISTS entrepot_links (
     digest text NOT NULL, upstream text NOT NULL, repository text NOT NULL, media_type text,
     PRIMARY KEY (digest, upstream, repository)
   );

   CREATE INDEX IF NOT EXISTS entrepot_links_by_repository ON entrepot_links (upstream, repository);

   -- A digest of NULL: upstream says that the tag does not exist.
   CREATE TABLE IF NOT EXISTS entrepot_tags (
     upstream text NOT NULL, repository text NOT NULL, tag text NOT NULL,
     digest text, checked_at bigint NOT NULL, gone_at bigint, changed_at timestamptz NOT NULL,
     PRIMARY KEY (upstream, repository, tag)
   );
   CREATE INDEX IF NOT EXISTS entrepot_tags_by_change ON entrepot_tags (changed_at);

   -- What a tag was seen to point to, and when it was gone.
   CREATE TABLE IF NOT EXISTS entrepot_tag_log (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     upstream text NOT NULL, repository text NOT NULL, tag text NOT NULL,
     at bigint NOT NULL, digest text NOT NULL, gone_at bigint
   );
   CREATE INDEX IF NOT EXISTS entrepot_tag_log_by_tag ON entrepot_tag_log (upstream, repository, tag, id);

   -- Who does what only one replica is to do at a time. For economy: nothing is wrong when two do it.
   CREATE TABLE IF NOT EXISTS entrepot_leases (
     key text PRIMARY KEY, holder text NOT NULL, address text NOT NULL, detail text NOT NULL,
     expires_at timestamptz NOT NULL
   );

   -- What replicas tell each other. Kept for some hours.
   CREATE TABLE IF NOT EXISTS entrepot_news (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     at timestamptz NOT NULL DEFAULT clock_timestamp(), origin text NOT NULL, kind text NOT NULL, body jsonb NOT NULL
   );
   CREATE INDEX IF NOT EXISTS entrepot_news_by_time ON entrepot_news (at);`,
  `-- Tells this database from another one that is later found in its place.
   CREATE TABLE IF NOT EXISTS entrepot_identity (id text NOT NULL);

   -- What operators have told one of the replicas, and holds for all.
   CREATE TABLE IF NOT EXISTS entrepot_pins (pattern text PRIMARY KEY, added_at bigint NOT NULL);
   CREATE TABLE IF NOT EXISTS entrepot_trusted (
     upstream text NOT NULL, repository text NOT NULL, digest text NOT NULL, added_at bigint NOT NULL,
     PRIMARY KEY (upstream, repository, digest)
   );

   -- What the runs of CI systems have resolved. The first row of a tag is every job's.
   CREATE TABLE IF NOT EXISTS entrepot_runs (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     name text NOT NULL UNIQUE, client text NOT NULL, started_at bigint NOT NULL, entries int NOT NULL
   );
   CREATE TABLE IF NOT EXISTS entrepot_run_tags (
     run bigint NOT NULL REFERENCES entrepot_runs ON DELETE CASCADE,
     upstream text NOT NULL, repository text NOT NULL, tag text NOT NULL, digest text NOT NULL, at bigint NOT NULL,
     PRIMARY KEY (run, upstream, repository, tag)
   );
   CREATE TABLE IF NOT EXISTS entrepot_run_manifests (
     run bigint NOT NULL REFERENCES entrepot_runs ON DELETE CASCADE,
     upstream text NOT NULL, repository text NOT NULL, digest text NOT NULL,
     PRIMARY KEY (run, upstream, repository, digest)
   );

   -- Jobs of the clock that one replica does for all: the instant of the clock up to which they are done.
   CREATE TABLE IF NOT EXISTS entrepot_jobs_done (job text PRIMARY KEY, due bigint NOT NULL);`,
  `-- Who there is, for those who look.
   CREATE TABLE IF NOT EXISTS entrepot_replicas (
     address text PRIMARY KEY, version text NOT NULL, started_at timestamptz NOT NULL, seen_at timestamptz NOT NULL
   );`,
  `-- Which endpoint of an upstream has answered for a tag, or listed the tags of a repository.
   CREATE TABLE IF NOT EXISTS entrepot_endpoint_owners (
     upstream text NOT NULL, repository text NOT NULL, thing text NOT NULL, url text NOT NULL, at bigint NOT NULL,
     PRIMARY KEY (upstream, repository, thing)
   );
   CREATE INDEX IF NOT EXISTS entrepot_endpoint_owners_by_age ON entrepot_endpoint_owners (at);`,
]

/** Held while the schema changes: replicas start at the same time. */
const LOCK = 0x656e7472

const TABLES = [...MIGRATIONS.join('').matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)].map(([, name]) => name!)
/** Whether all tables are there. */
const IS_WHOLE = 'SELECT bool_and(to_regclass(name) IS NOT NULL) AS whole FROM unnest($1::text[]) name'
const IS_NAMED = 'SELECT EXISTS (SELECT FROM entrepot_identity) AS named'
/** What was kept of a database that lost a part is not what replicas know it for. */
const NAME = `WITH gone AS (DELETE FROM entrepot_identity)
  INSERT INTO entrepot_identity VALUES (md5(random()::text || clock_timestamp()::text))`

/**
 * Brings the schema to the current version. That of a later program stays as it is. Tables that are missing are
 * made again: the database is then another one, and has another identity.
 */
export async function migrate(pool: Pool): Promise<void> {
  const client = await pool.connect()
  client.on('error', ignore)
  let failure: Error | undefined
  try {
    await client.query('BEGIN')
    await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`)
    await client.query('CREATE TABLE IF NOT EXISTS entrepot_schema (version int NOT NULL)')
    const { rows } = await client.query<{ version: number }>('SELECT version FROM entrepot_schema')
    const version = rows[0]?.version ?? 0
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration)
    const whole = await client.query<{ whole: boolean }>(IS_WHOLE, [TABLES])
    if (!whole.rows[0]!.whole) for (const migration of MIGRATIONS) await client.query(migration)
    const named = await client.query<{ named: boolean }>(IS_NAMED)
    if (!whole.rows[0]!.whole || !named.rows[0]!.named) await client.query(NAME)
    if (version < MIGRATIONS.length) {
      await client.query('DELETE FROM entrepot_schema')
      await client.query('INSERT INTO entrepot_schema VALUES ($1)', [MIGRATIONS.length])
    }
    await client.query('COMMIT')
  } catch (error) {
    failure = error as Error
    throw error
  } finally {
    // A connection in the middle of a transaction is of no use to others.
    client.release(failure)
    client.removeListener('error', ignore)
  }
}

/** The statement that runs fails too, and tells it. */
function ignore(): void {}
