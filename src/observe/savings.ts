import { isRegistryError } from '../oci/errors.ts'
import type {
  RateRow,
  Saved,
  SavedReport,
  SavedRow,
  SavingsBy,
  SavingsLog,
  SavingsReport,
} from '../ports/insight/savings.ts'
import type { DownloadTelemetry, RequestTelemetry, UpstreamTelemetry } from '../ports/telemetry.ts'
import { ActiveTime } from './active-time.ts'
import { KeyTree } from '../util/key-tree.ts'
import { networkOf } from './network-of.ts'

export interface Savings extends AsyncDisposable {
  readonly requests: RequestTelemetry
  readonly transfers: Pick<DownloadTelemetry, 'running'>
  readonly upstreams: Pick<UpstreamTelemetry, 'received'>
  /** Of the last `days` days, today included. */
  report(by: SavingsBy, days: number): Promise<SavingsReport>
}

export interface SavingsOptions {
  readonly log: () => SavingsLog
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Milliseconds between two writes. */
const EVERY = 10_000
const DAY = 86_400_000
/** Days that are kept. */
const KEPT = 90
/** Rows of one day. What comes when there are as many is added to one row for all others. */
const MOST = 2_000
const OTHERS = '(others)'
/** Answers that caused no request upstream. */
const SAVED = new Set(['hit', 'collapsed', 'stale', 'negative'])

/** Adds up what the cache spares, in memory, and writes it to the index every few seconds. */
export function savings({ log, now }: SavingsOptions): Savings {
  /** Of the last request: the next ones often come from the same client. */
  let last = { client: '', network: '' }
  /** By upstream, repository and network. */
  let pending = new KeyTree<{ -readonly [K in keyof SavedRow]: SavedRow[K] }>()
  let received = new Map<string, number>()
  const active = new ActiveTime(() => performance.now())
  /** The rows of today that have been begun. */
  let known = { day: 0, keys: new Set<string>() }
  const timer = setInterval(() => void flush(), EVERY).unref()

  const today = (): number => Math.floor(now() / DAY)

  /** A row that was begun before midnight takes what comes until it is written. */
  function rowFor(upstream: string, repository: string, network: string) {
    const names = [upstream, repository, network]
    const begun = pending.get(names)
    if (begun !== undefined) return begun
    const day = today()
    if (known.day !== day) known = { day, keys: new Set() }
    const key = names.join(' ')
    if (!known.keys.has(key)) {
      if (known.keys.size >= MOST && repository !== OTHERS) return rowFor(upstream, OTHERS, OTHERS)
      known.keys.add(key)
    }
    return pending.set(names, { day, upstream, repository, network, requests: 0, bytes: 0, budget: 0 })
  }

  function networkFor(client: string): string {
    if (client !== last.client) last = { client, network: networkOf(client) }
    return last.network
  }

  async function flush(): Promise<void> {
    const rates: RateRow[] = [...received].map(([upstream, bytes]) => ({
      day: today(),
      upstream,
      bytes,
      milliseconds: active.take(upstream),
    }))
    const rows = Array.from(pending.entries(), ([, row]) => row)
    if (rows.length === 0 && rates.length === 0) return
    pending = new KeyTree()
    received = new Map()
    try {
      await log().add(rows, rates)
      await log().forgetBefore(today() - KEPT)
    } catch (error) {
      // Lost figures of a few seconds harm nobody; the store has counted the failure.
      if (!isRegistryError(error, 'STORAGE')) throw error
    }
  }

  return {
    requests: {
      answered({ kind, result, upstream, repository, client, isHead, bytes }) {
        if (!SAVED.has(result)) return
        // A client may ask for any number of names that do not exist.
        const row = rowFor(upstream, result === 'negative' ? OTHERS : repository, networkFor(client))
        row.requests += 1
        row.bytes += bytes
        if (!isHead && result !== 'negative' && (kind === 'tag' || kind === 'manifest')) row.budget += 1
      },
    },
    transfers: { running: (upstream, count) => active.running(upstream, count) },
    upstreams: {
      received: (upstream, bytes) => void received.set(upstream, (received.get(upstream) ?? 0) + bytes),
    },
    async report(by, days) {
      await flush()
      const since = today() - Math.min(days, KEPT) + 1
      const rates = new Map((await log().ratesSince(since)).map((row) => [row.upstream, row]))
      const sums = new Map<string, SavedReport>()
      let first = today()
      for (let day = since; day <= today(); day++) {
        for (const { name, upstream, ...saved } of await log().savedOn(day, by)) {
          first = Math.min(first, day)
          const key = by === 'day' ? dayText(day) : name
          sums.set(key, sumOf(sums.get(key), saved, rates.get(upstream)))
        }
      }
      const rows = Array.from(sums, ([name, saved]) => Object.assign({ name }, saved))
      return {
        by,
        since: dayText(first),
        total: rows.reduce<SavedReport>(totalOf, { requests: 0, bytes: 0, budget: 0, seconds: null }),
        rows: rows.toSorted((a, b) =>
          by === 'day' ? b.name.localeCompare(a.name) : b.bytes - a.bytes || b.requests - a.requests,
        ),
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await flush()
    },
  }
}

function sumOf(
  before: SavedReport | undefined,
  saved: Saved,
  rate: Pick<RateRow, 'bytes' | 'milliseconds'> | undefined,
): SavedReport {
  const isMeasured = rate !== undefined && rate.bytes > 0 && rate.milliseconds > 0
  const seconds = isMeasured ? (saved.bytes * rate.milliseconds) / rate.bytes / 1000 : null
  return totalOf(before ?? { requests: 0, bytes: 0, budget: 0, seconds: null }, { ...saved, seconds })
}

function totalOf(one: SavedReport, other: SavedReport): SavedReport {
  return {
    requests: one.requests + other.requests,
    bytes: one.bytes + other.bytes,
    budget: one.budget + other.budget,
    seconds: one.seconds === null ? other.seconds : one.seconds + (other.seconds ?? 0),
  }
}

function dayText(day: number): string {
  return new Date(day * DAY).toISOString().slice(0, 10)
}
