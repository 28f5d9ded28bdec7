import type { TrafficHistory, TrafficPoint, TrafficReport } from '../ports/insight/insight.ts'
import { isoText } from './status.ts'

export interface TrafficRecorder extends Disposable {
  readonly history: TrafficHistory
}

export interface TrafficHistoryOptions {
  /** Since the process began. */
  readonly total: () => TrafficReport
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Milliseconds of a point. */
const EVERY = 60_000
/** Points that are kept: a day, 200 KiB. */
const KEPT = 1_440

/** Remembers what there was to do in each minute of the last day. */
export function trafficHistory({ total, now }: TrafficHistoryOptions): TrafficRecorder {
  const points: TrafficPoint[] = []
  let last = { at: now(), total: total() }

  const point = (): TrafficPoint => ({ at: isoText(last.at), ...difference(total(), last.total) })
  const record = (): void => {
    points.push(point())
    if (points.length > KEPT) points.shift()
    last = { at: now(), total: total() }
  }
  const timer = setInterval(record, EVERY).unref()

  return {
    get history() {
      return { seconds: EVERY / 1000, points: [...points, point()] }
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

function difference(now: TrafficReport, before: TrafficReport): TrafficReport {
  return {
    requests: now.requests - before.requests,
    hits: now.hits - before.hits,
    errors: now.errors - before.errors,
    servedBytes: now.servedBytes - before.servedBytes,
    upstreamRequests: now.upstreamRequests - before.upstreamRequests,
    upstreamBytes: now.upstreamBytes - before.upstreamBytes,
  }
}
