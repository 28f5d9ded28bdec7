import type { Digest } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { RunRecord, RunStart, RunTag } from '../../ports/time.ts'
import type { Statements } from '../database.ts'

export interface SharedChoice extends RunStart {
  readonly digest: Digest
  readonly at: number
}

/** The runs of all replicas. Every method throws RegistryError STORAGE. Instants are this replica's. */
export interface SharedRuns {
  /** What a run has chosen for a tag; undefined = nothing yet. */
  chosen(run: string, repository: RepositoryName, tag: string): Promise<SharedChoice | undefined>
  /** Chooses, unless another job was faster. @returns what is chosen */
  choose(run: string, client: string, choice: Omit<RunTag, 'manifests'>): Promise<SharedChoice | 'full'>
  /** @returns the run; undefined = there is none */
  pulled(run: string, repository: RepositoryName, digest: Digest): Promise<RunStart | undefined>
  /** Its instants are those of the database, so that all tell the same. */
  record(run: string): Promise<RunRecord | undefined>
  /** Forgets the runs that are too old. */
  trim(): Promise<void>
}

export interface SharedRunsOptions {
  readonly database: Statements
  /** Names this process. */
  readonly id: string
  /** Milliseconds that a run is kept, from its beginning on. */
  readonly keep: () => number
  /** This replica has forgotten runs, for all, because there were too many. */
  readonly forgotten: (...runs: readonly string[]) => Promise<void>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Runs that are kept, what they hold together, and what one of them may: as `storage/index/tags/runs.ts`. */
const MOST_RUNS = 10_000
const MOST_ENTRIES = 200_000
const MOST_IN_RUN = 2_000
/** Choices of a replica between two looks at whether there is too much. */
const LOOK_EVERY = 20

/** Of rows of a run: the name $1, not older than $2. */
const RUN = 'SELECT id, client, started_at, entries FROM entrepot_runs WHERE name = $1 AND started_at >= $2'
const OF_TAG = 'upstream = $3 AND repository = $4 AND tag = $5'

const CHOOSE = `WITH
  begun AS (INSERT INTO entrepot_runs (name, client, started_at, entries) VALUES ($1, $7, $8, 1)
    ON CONFLICT (name) DO NOTHING RETURNING id, client, started_at, 0 AS entries),
  run AS (SELECT * FROM begun UNION ALL ${RUN} AND NOT EXISTS (SELECT FROM begun)),
  known AS (SELECT digest, at FROM entrepot_run_tags, run WHERE run = run.id AND ${OF_TAG}),
  chosen AS (INSERT INTO entrepot_run_tags (run, upstream, repository, tag, digest, at)
    SELECT id, $3, $4, $5, $6, $9 FROM run WHERE entries < ${MOST_IN_RUN} AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT DO NOTHING RETURNING digest, at),
  counted AS (UPDATE entrepot_runs SET entries = entrepot_runs.entries + 1 FROM run, chosen
    WHERE entrepot_runs.id = run.id AND NOT EXISTS (SELECT FROM begun))
  SELECT client, started_at::float8 AS started, entries, digest, at::float8
  FROM run LEFT JOIN (SELECT * FROM known UNION ALL SELECT * FROM chosen) one ON true`

/** $1: this process, $2: the client that has added, $3: its run. Its own oldest go first. */
const MAKE_ROOM = `WITH ranked AS (
    SELECT id, row_number() OVER w AS nth, sum(entries) OVER w AS total FROM entrepot_runs
    WINDOW w AS (ORDER BY name = $3 DESC, client <> $2 DESC, started_at DESC, id DESC)),
  gone AS (DELETE FROM entrepot_runs USING ranked WHERE entrepot_runs.id = ranked.id
    AND (nth > ${MOST_RUNS} OR total > ${MOST_ENTRIES}) RETURNING name),
  told AS (INSERT INTO entrepot_news (origin, kind, body)
    SELECT $1, 'runs forgotten', jsonb_build_object('runs', jsonb_agg(name)) FROM gone HAVING count(*) > 0)
  SELECT name, pg_notify('entrepot', '') FROM gone`

interface ChoiceRow {
  readonly client: string
  readonly started: number
  readonly entries: number
  /** null = there is none yet. */
  readonly digest: Digest | null
  readonly at: number | null
}

export function sharedRuns({ database, id, keep, forgotten, now }: SharedRunsOptions): SharedRuns {
  const { query, toShared, fromShared } = database
  const oldest = (): number => Math.round(toShared(now() - keep()))
  const startOf = (run: string, { client, started }: Pick<ChoiceRow, 'client' | 'started'>): RunStart => ({
    run,
    client,
    startedAt: fromShared(started),
  })
  let sinceLook = 0

  async function makeRoom(client: string, run: string): Promise<void> {
    sinceLook = (sinceLook + 1) % LOOK_EVERY
    if (sinceLook !== 1) return
    const [total] = await query<{ runs: number; entries: number }>(
      'SELECT count(*)::float8 AS runs, coalesce(sum(entries), 0)::float8 AS entries FROM entrepot_runs',
    )
    if (total!.runs <= MOST_RUNS && total!.entries <= MOST_ENTRIES) return
    const gone = await query<{ name: string }>(MAKE_ROOM, [id, client, run])
    await forgotten(...gone.map(({ name }) => name))
  }

  return {
    async chosen(run, { upstream, name }, tag) {
      const [row] = await query<ChoiceRow>(
        `SELECT client, started_at::float8 AS started, digest, at::float8
         FROM (${RUN}) of JOIN entrepot_run_tags ON run = of.id AND ${OF_TAG}`,
        [run, oldest(), upstream, name, tag],
      )
      return row && choiceOf(run, row)
    },
    async choose(run, client, { repository: { upstream, name }, tag, digest, at }) {
      const started = Math.round(toShared(now()))
      const values = [upstream, name, tag, digest, client, started, Math.round(toShared(at))]
      for (let tries = 1; ; tries++) {
        const rows = await query<ChoiceRow>(CHOOSE, [run, oldest(), ...values]).catch(unlessForgotten)
        const [row] = rows
        if (row !== undefined && row.digest !== null) {
          if (row.digest === digest) await makeRoom(client, run)
          return choiceOf(run, row)
        }
        if (row !== undefined && row.entries >= MOST_IN_RUN) return 'full'
        // One of the name is too old, or another replica has begun or chosen it in the same moment.
        if (row === undefined)
          await query('DELETE FROM entrepot_runs WHERE name = $1 AND started_at < $2', [run, oldest()])
        if (tries > TRIES) throw new Error(`run ${run} cannot be chosen for`)
      }
    },
    async pulled(run, { upstream, name }, digest) {
      const [row] = await query<ChoiceRow>(
        `WITH run AS (${RUN}), pulled AS (INSERT INTO entrepot_run_manifests
           SELECT id, $3, $4, $5 FROM run WHERE entries < ${MOST_IN_RUN} ON CONFLICT DO NOTHING RETURNING run),
         counted AS (UPDATE entrepot_runs SET entries = entrepot_runs.entries + 1 FROM pulled
           WHERE entrepot_runs.id = pulled.run)
         SELECT client, started_at::float8 AS started FROM run`,
        [run, oldest(), upstream, name, digest],
      )
      return row && startOf(run, row)
    },
    async record(run) {
      const [row] = await query<{ id: string; started: number }>(
        `SELECT id, started_at::float8 AS started FROM (${RUN}) of`,
        [run, oldest()],
      )
      if (row === undefined) return undefined
      const tags = await query<TagRow>(
        `SELECT t.upstream, t.repository, tag, t.digest, at::float8,
           array(SELECT digest FROM entrepot_run_manifests m WHERE m.run = t.run
             AND m.upstream = t.upstream AND m.repository = t.repository ORDER BY digest) AS manifests
         FROM entrepot_run_tags t WHERE run = $1 ORDER BY upstream COLLATE "C", repository COLLATE "C", tag COLLATE "C"`,
        [row.id],
      )
      return {
        run,
        startedAt: row.started,
        tags: tags.map(({ upstream, repository, tag, digest, at, manifests }) => ({
          tag,
          digest,
          manifests,
          repository: { upstream, name: repository },
          at,
        })),
      }
    },
    async trim() {
      await query('DELETE FROM entrepot_runs WHERE started_at < $1', [oldest()])
    },
  }

  function choiceOf(run: string, row: ChoiceRow): SharedChoice {
    return { ...startOf(run, row), digest: row.digest!, at: fromShared(row.at!) }
  }
}

const TRIES = 5

interface TagRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly at: number
  readonly manifests: readonly Digest[]
}

/** The run was forgotten for room in the same moment: it begins anew. */
function unlessForgotten(error: unknown): readonly ChoiceRow[] {
  if (isRegistryError(error, 'STORAGE') && error.detail['reason'] === '23503') return []
  throw error
}
