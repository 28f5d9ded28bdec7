import { AsyncLocalStorage } from 'node:async_hooks'
import type { Asking, ReadOptions } from '../../ports/read-options.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'

/** Tells answers what requests upstream were sent for them. Answers from the store never come here. */
export interface UpstreamCost {
  readonly asking: Asking
  /** Who has asked for the answer that is being made. */
  readonly asker: () => string | undefined
  readonly telemetry: Required<Pick<UpstreamTelemetry, 'answered' | 'weighed'>>
}

export function upstreamCost(): UpstreamCost {
  const asker = new AsyncLocalStorage<ReadOptions>()
  return {
    asking(options, work) {
      const ask = () => (options?.asked === undefined ? work() : asker.run(options, work))
      const waits = options?.beforeAsking?.()
      return waits === undefined ? ask() : waits.then(ask)
    },
    asker: () => asker.getStore()?.client,
    telemetry: {
      answered: (_upstream, _kind, _status, seconds) => asker.getStore()?.asked?.(seconds),
      weighed: (_upstream, weight) => asker.getStore()?.weighed?.(weight),
    },
  }
}
