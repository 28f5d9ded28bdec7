import type { Digest } from '../../../oci/digest.ts'
import type { RunCopies, Runs, RunTag } from '../../../ports/time.ts'
import type { IndexAccess } from '../index-access.ts'
import type { Statements } from '../sql.ts'

/** Runs that are kept, */
const MOST_RUNS = 10_000
/** what they hold together, of some 250 bytes each, */
const MOST_ENTRIES = 200_000
/** and what one of them may: the tags that it resolved and the manifests that it read by digest. */
const MOST_IN_RUN = 2_000
/** Milliseconds between two beginnings that are the same, by clocks that are not. */
const SAME_START = 2_000

export interface RunLogOptions extends Pick<IndexAccess, 'query' | 'transact'> {
  /** Milliseconds that a run is kept, from its beginning on. */
  readonly keep: () => number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Runs that are chosen for here, or by others. */
export type RunLog = Runs & RunCopies

interface RunRow {
  readonly id: number
  readonly startedAt: number
  readonly entries: number
}

/** The runs in the index. */
export function runLog({ query, transact, keep, now }: RunLogOptions): RunLog {
  const oldest = (): number => now() - keep()

  return {
    chosen: (run, { upstream, name }, tag) =>
      query((sql) => sql.chosen.get(run, oldest(), upstream, name, tag)?.['digest'] as Digest | undefined),
    choose: (run, client, { repository: { upstream, name }, tag, digest, at }) =>
      transact((sql) => {
        expire(sql)
        const { id, entries } = find(sql, run) ?? begin(sql, run, client, now())
        const before = sql.chosen.get(run, oldest(), upstream, name, tag)?.['digest'] as Digest | undefined
        if (before !== undefined) return before
        if (entries >= MOST_IN_RUN) return 'full'
        sql.addEntry.run(id, upstream, name, tag, digest, at)
        makeRoom(sql, id, client)
        return digest
      }),
    pulled: (run, { upstream, name }, digest) =>
      transact((sql) => {
        const known = find(sql, run)
        if (known === undefined) return 'run'
        if (known.entries >= MOST_IN_RUN) return undefined
        const { changes } = sql.addEntry.run(known.id, upstream, name, '', digest, now())
        return Number(changes) > 0 ? 'manifest' : undefined
      }),
    keep: ({ run, client, startedAt }, { repository: { upstream, name }, tag, digest, at }) =>
      transact((sql) => {
        expire(sql)
        if (startedAt < oldest()) return
        const known = find(sql, run)
        const isSame = known !== undefined && Math.abs(known.startedAt - startedAt) < SAME_START
        const { id, entries } = isSame ? known : begin(sql, run, client, startedAt)
        if (entries >= MOST_IN_RUN) return
        sql.addEntry.run(id, upstream, name, tag, digest, at)
        makeRoom(sql, id, client)
      }),
    forget: (...runs) =>
      transact((sql) => {
        for (const run of runs) {
          const known = sql.findRun.get(run) as RunRow | undefined
          if (known !== undefined) sql.removeRun.run(known.id)
        }
      }),
    async forgetAll() {
      await query((sql) => sql.removeRuns.run())
    },
    record: (run) =>
      query((sql) => {
        const found = find(sql, run)
        if (found === undefined) return undefined
        const rows = sql.runEntries.all(found.id) as unknown as readonly EntryRow[]
        return { run, startedAt: found.startedAt, tags: tagsIn(rows) }
      }),
  }

  /** A run that is too old is forgotten, and another one of its name begins anew. */
  function find(sql: Statements, run: string): RunRow | undefined {
    const found = sql.findRun.get(run) as RunRow | undefined
    return found !== undefined && found.startedAt >= oldest() ? found : undefined
  }

  function expire(sql: Statements): void {
    for (const { id } of sql.expiredRuns.all(oldest())) sql.removeRun.run(id!)
  }
}

/** Another run of the name is forgotten. */
function begin(sql: Statements, run: string, client: string, startedAt: number): RunRow {
  const old = sql.findRun.get(run) as RunRow | undefined
  if (old !== undefined) sql.removeRun.run(old.id)
  const id = Number(sql.addRun.run(run, client, startedAt).lastInsertRowid)
  return { id, startedAt, entries: 0 }
}

/** Forgets the oldest runs but for this one, those of its client first. */
function makeRoom(sql: Statements, own: number, client: string): void {
  for (;;) {
    const { runs, entries } = sql.runTotals.get() as { readonly runs: number; readonly entries: number }
    if (runs <= MOST_RUNS && entries <= MOST_ENTRIES) return
    const oldest = sql.oldestRunOf.get(own, client) ?? sql.oldestRunOfAll.get(own)
    if (oldest === undefined) return
    sql.removeRun.run(oldest['id']!)
  }
}

interface EntryRow {
  readonly upstream: string
  readonly repository: string
  /** '' = a manifest that was read by digest. */
  readonly tag: string
  readonly digest: Digest
  readonly at: number
}

function tagsIn(rows: readonly EntryRow[]): readonly RunTag[] {
  const manifests = Map.groupBy(
    rows.filter(({ tag }) => tag === ''),
    ({ upstream, repository }) => `${upstream} ${repository}`,
  )
  return rows
    .filter(({ tag }) => tag !== '')
    .map(({ upstream, repository, tag, digest, at }) => ({
      repository: { upstream, name: repository },
      tag,
      digest,
      at,
      manifests: (manifests.get(`${upstream} ${repository}`) ?? []).map(({ digest }) => digest),
    }))
}
