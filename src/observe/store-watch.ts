import type { IngestTelemetry } from '../ports/telemetry.ts'
import { timeBetween } from '../util/time-between.ts'
import { causeOf } from './cause.ts'
import type { Emit } from './events.ts'

/** The trouble that keeps the store from keeping content. */
export interface StoreTrouble {
  /** Epoch milliseconds. */
  readonly since: number
  readonly operation: string
  readonly said: string
  readonly advice: string
}

export interface StoreWatch {
  readonly telemetry: IngestTelemetry
  /** undefined = the store works. */
  readonly trouble: StoreTrouble | undefined
}

/** Milliseconds without a failure after which content that was stored ends the trouble. */
const QUIET = 60_000

/**
 * Emits an event when the store begins to fail, once for each reason, and one when it has recovered. One
 * object that is too large does not make it flap: small ones, which fit, end the trouble only a minute later.
 */
export function storeWatch({ emit, now }: { readonly emit: Emit; readonly now: () => number }): StoreWatch {
  let trouble: StoreTrouble | undefined
  let lastFailure = -Infinity
  const reasons = new Set<string>()

  return {
    get trouble() {
      return trouble
    },
    telemetry: {
      failed(operation, reason = 'unknown') {
        lastFailure = now()
        if (reasons.has(reason)) return
        reasons.add(reason)
        const { cause, advice } = causeOf('the store', 'STORAGE', { reason })
        const said = `the store ${cause}`
        trouble = { since: trouble?.since ?? now(), operation, said, advice }
        emit('store.failing', { operation, said })
      },
      stored() {
        if (trouble === undefined || timeBetween(now(), lastFailure) < QUIET) return
        emit('store.recovered', { seconds: Math.round((now() - trouble.since) / 1000) })
        trouble = undefined
        reasons.clear()
      },
    },
  }
}
