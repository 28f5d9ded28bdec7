import type { Files } from './files.ts'
import type { Query } from './index/sql.ts'
import { ignoreNotFound } from './storage-operation.ts'

/** What the last process knew about its clock, to tell at the next start whether the clock was set. */
interface ClockRecord {
  /** This boot of the machine. */
  readonly boot?: string | undefined
  /** The clock of the process, less the time since the boot. Milliseconds. */
  readonly bootedAt?: number | undefined
  /** How much the wall clock was ahead of the clock of the process, when it ended. Milliseconds. */
  readonly lag: number
}

export interface Clocks {
  /** The clock by which instants are recorded. */
  readonly now: () => number
  readonly wall: () => number
  readonly boot: string | undefined
}

/** Milliseconds. Less than this is no step of the clock. */
const STEP = 60_000
const KEY = 'clock'
/** Seconds since the boot, those of sleep included (proc(5)). Linux only. */
const UPTIME = '/proc/uptime'

export async function recordClock(
  query: Query,
  files: Pick<Files, 'readText'>,
  clocks: Clocks,
): Promise<void> {
  const { now, wall, boot } = clocks
  const uptime = await uptimeOf(files)
  const record: ClockRecord = {
    boot,
    bootedAt: uptime === undefined ? undefined : now() - uptime,
    lag: wall() - now(),
  }
  await query((sql) => void sql.setMeta.run(KEY, JSON.stringify(record)))
}

/**
 * By how much the wall clock was set since the last process recorded it, while that ran or since it ended. In
 * the same boot the time since the boot tells; after another one only what the process itself saw.
 *
 * @returns milliseconds; 0 when it was not set, or nothing is known
 */
export async function clockStep(
  query: Query,
  files: Pick<Files, 'readText'>,
  clocks: Clocks,
): Promise<number> {
  const text = await query((sql) => sql.getMeta.get(KEY)?.['value'])
  if (text === undefined) return 0
  const { boot, bootedAt, lag } = JSON.parse(String(text)) as ClockRecord
  const uptime = await uptimeOf(files)
  const isSameBoot = boot !== undefined && boot === clocks.boot
  const step =
    isSameBoot && bootedAt !== undefined && uptime !== undefined ? clocks.wall() - uptime - bootedAt : lag
  return Math.abs(step) >= STEP ? step : 0
}

/** Milliseconds. */
async function uptimeOf(files: Pick<Files, 'readText'>): Promise<number | undefined> {
  const text = await files.readText(UPTIME).catch(ignoreNotFound)
  const seconds = Number(text?.split(' ')[0])
  return Number.isFinite(seconds) ? seconds * 1000 : undefined
}
