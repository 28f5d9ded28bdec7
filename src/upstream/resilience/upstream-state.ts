import type { RegistryError } from '../../oci/errors.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import type { UpstreamStatus } from '../../ports/upstream.ts'

/** What keeps requests from an upstream as a whole, gathered from all who find something. */
export interface UpstreamState {
  /** `reason` of a cause (`host`, `limit blobs`, `offline`), or undefined when it has ended. */
  report(cause: string, reason: RegistryError | undefined): void
  readonly status: UpstreamStatus
}

export interface UpstreamStateOptions {
  readonly upstream: string
  readonly telemetry: Pick<UpstreamTelemetry, 'circuit'>
}

export function upstreamState({ upstream, telemetry }: UpstreamStateOptions): UpstreamState {
  const reasons = new Map<string, RegistryError>()
  let status: UpstreamStatus = { state: 'up', since: Date.now() }
  telemetry.circuit(upstream, 'up')

  return {
    get status() {
      return status
    },
    report(cause, reason) {
      if (reason === undefined) reasons.delete(cause)
      else reasons.set(cause, reason)
      const found = [...reasons.values()]
      const worst =
        reasons.get('offline') ?? found.find(({ code }) => code !== 'UPSTREAM_LIMITED') ?? found[0]
      const state = reasons.has('offline') ? 'offline' : stateOf(worst)
      const since = state === status.state ? status.since : Date.now()
      if (state !== status.state) telemetry.circuit(upstream, state, worst?.detail)
      status = { state, since, ...(worst && { reason: worst.detail }) }
    },
  }
}

function stateOf(worst: RegistryError | undefined): 'up' | 'limited' | 'out' {
  if (worst === undefined) return 'up'
  return worst.code === 'UPSTREAM_LIMITED' ? 'limited' : 'out'
}
