import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { isRegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { mutex } from '../util/async/mutex.ts'
import type { Database } from './database.ts'
import { ignoreAway } from './ignore-away.ts'
import type { SharedTag } from '../ports/cluster.ts'
import { listenForNews } from './listen-for-news.ts'
import { NEWS, type NewsRow, PAGE } from './news-rows.ts'
import { type Notice, publish, stillHolds } from './notice.ts'
import { untaken } from './untaken.ts'
import { sharedTagOf, type TagRow } from './index/shared-tags.ts'

export interface NewsListener {
  tagChanged(repository: RepositoryName, tag: string, shared: SharedTag): Promise<void>
  noticed(notice: Notice): void | Promise<void>
  /** The database answers, for the first time or again, or is another one. Before what was told meanwhile. */
  began(): Promise<void>
  /** The database does not answer any more, or is asked for the first time and does not. */
  lost(): void
  /** The database answers, after it did not. */
  returned(): void
}

export interface News extends AsyncDisposable {
  /** Tells the others. What cannot be told is dropped: they find out by themselves. */
  tell(notice: Notice): void
  /** The same, where they would not. @throws RegistryError STORAGE */
  publish(notice: Notice): Promise<void>
  /** Reads what is new, now. @throws RegistryError STORAGE */
  poll(): Promise<void>
  /** How this replica learns of changes: at once, or by asking every second. */
  readonly mode: 'listening' | 'polling'
}

export interface NewsOptions {
  readonly database: Database
  /** Names this process. */
  readonly id: string
  readonly listener: NewsListener
  readonly failed: (error: unknown) => void
  /** Keeps until when purges were heard, over a restart. */
  readonly heard: PurgesHeard
}

/** Milliseconds of the database's clock. */
export interface PurgesHeard {
  /** undefined: this replica has never heard of one. */
  read(): Promise<number | undefined>
  write(at: number): Promise<void>
}

/** Milliseconds between two looks, while changes are told at once, and while they are not. */
const LISTENING_EVERY = 10_000
const POLLING_EVERY = 1_000
/** Statements may be committed in another order than their times. Milliseconds. */
const OVERLAP = 5_000
/** Milliseconds that news are kept; a replica that starts reads as much. */
export const KEPT = 3_600_000

/** Learns what the other replicas change: told by `LISTEN`, or by asking where a pooler does not let it through. */
export function openNews({ database, id, listener, failed, heard }: NewsOptions): News {
  const closing = new AbortController()
  const seen = new LRUCache<string, true>({ max: 20_000 })
  /** Of the database's clock. */
  let readFrom: number | undefined
  /**
   * Purges up to then were heard by an earlier process. One that is heard again would remove what came since,
   * and in an offline upstream nobody else has that.
   */
  let purgedBefore = -Infinity
  let isAway = false
  let known: string | undefined
  let hasBegun = false
  let isListening = false
  let wake = Promise.withResolvers<void>()
  let lastHeard = -Infinity
  const exclusively = mutex()
  const failures = untaken<NewsRow>({
    take: remove,
    now: database.options.now,
    failed,
    async over({ kind, at }) {
      if (kind === 'purged' && at! > purgedBefore) await heardUntil(at!)
    },
  })

  const listening = listenForNews(database, closing.signal, (isThrough) => {
    isListening = isThrough
    wake.resolve()
  })
  const loops = [watch(), listening]

  return {
    tell: (notice) => void tellAll(notice).catch(ignoreAway),
    publish: tellAll,
    poll,
    get mode() {
      return isListening ? 'listening' : 'polling'
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      wake.resolve()
      await Promise.all(loops)
    },
  }

  async function tellAll(notice: Notice): Promise<void> {
    const at = await publish(database, id, notice)
    if (notice.kind === 'purged') await heardUntil(at)
  }

  /** Not past a purge that is still to be taken: a restart would lose it. */
  async function heardUntil(at: number): Promise<void> {
    lastHeard = Math.max(lastHeard, at)
    if (!failures.has('purged')) await heard.write(lastHeard)
  }

  function poll(): Promise<void> {
    return exclusively(read)
  }

  async function read(): Promise<void> {
    for (;;) {
      if (readFrom === undefined) {
        const shared = database.toShared(database.options.now())
        purgedBefore = (await heard.read()) ?? shared
        readFrom = shared - KEPT
      }
      const rows = await database.query<NewsRow>(NEWS, [readFrom, id])
      const { now, database: identity } = rows[0]!
      if (identity === null) {
        await database.restore()
        continue
      }
      if (known === undefined || identity === known || (await begin())) known = identity
      database.learnClock(now)
      const found = rows.filter(({ at }) => at !== null)
      for (const row of found) await take(row)
      const isAll = found.length < PAGE
      readFrom = isAll ? now - OVERLAP : found.at(-1)!.at!
      if (isAll) break
    }
    await failures.again()
  }

  async function take(row: NewsRow): Promise<void> {
    const { kind, at, id: of, exact, body } = row
    const key = `${kind} ${of} ${exact}`
    if (seen.has(key)) return
    seen.set(key, true)
    if (kind === 'purged' || kind === 'runs forgotten') return failures.attempt(row)
    if (kind === 'tag') {
      const {
        upstream,
        repository: name,
        tag,
      } = body as { upstream: string; repository: string; tag: string }
      await listener.tagChanged(
        { upstream, name },
        tag,
        sharedTagOf(body as unknown as TagRow, database.fromShared),
      )
      return
    }
    const notice = stillHolds({ kind, ...body } as Notice, row.now - at!)
    if (notice) await listener.noticed(notice)
  }

  /** What nothing else makes up for when it is lost. */
  async function remove({ kind, at, body }: NewsRow): Promise<void> {
    if (kind === 'purged' && at! <= purgedBefore) return
    await listener.noticed({ kind, ...body } as Notice)
  }

  /** @returns whether it could */
  async function begin(): Promise<boolean> {
    try {
      await listener.began()
      return true
    } catch (error) {
      if (!isRegistryError(error, 'STORAGE')) failed(error)
      return false
    }
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      wake = Promise.withResolvers()
      try {
        hasBegun ||= await begin()
        await poll()
        if (isAway) listener.returned()
        isAway = false
      } catch (error) {
        if (!isRegistryError(error, 'STORAGE')) failed(error)
        if (!isAway) listener.lost()
        isAway = true
        hasBegun = false
      }
      const every = !isListening || isAway ? POLLING_EVERY : LISTENING_EVERY
      const pause = new AbortController()
      await Promise.race([
        wake.promise,
        sleep(every, undefined, {
          ref: false,
          signal: AbortSignal.any([pause.signal, closing.signal]),
        }).catch(() => {}),
      ])
      pause.abort()
    }
  }
}
