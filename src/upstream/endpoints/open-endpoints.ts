import type { EndpointOwners } from '../../ports/endpoint-owners.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import type { Upstream, UpstreamStatus } from '../../ports/upstream.ts'
import { type OpenUpstream, openUpstream, type OpenUpstreamOptions } from '../open-upstream.ts'
import { endpointName } from '../../util/endpoint-name.ts'
import { searchEndpoints } from './search-endpoints.ts'
import { type Endpoint, withEndpoints } from './with-endpoints.ts'

export interface EndpointsOptions {
  /** Of the upstream. Its endpoints report to it under names of their own. */
  readonly telemetry: UpstreamTelemetry
  readonly owners: EndpointOwners
  /** Records what an endpoint answers. */
  readonly record: (endpoint: Upstream) => Upstream
}

/**
 * Opens several endpoints as one upstream. Each has its own connections, credentials, circuits and metrics,
 * under a name of its own. Bytes count for the upstream, and so does its state: it is out when all of them
 * are.
 */
export function openEndpoints(
  name: string,
  ways: readonly [OpenUpstreamOptions, ...OpenUpstreamOptions[]],
  { telemetry, owners, record }: EndpointsOptions,
): OpenUpstream {
  const opened: OpenUpstream[] = []
  const changed = (): void => {
    // The first states are told while they are opened.
    if (opened.length < ways.length) return
    const { state, reason } = statusOf(opened)
    telemetry.circuit(name, state, reason)
  }
  const own: UpstreamTelemetry = {
    ...telemetry,
    received: (_, bytes) => telemetry.received(name, bytes),
    circuit(endpoint, state, reason) {
      telemetry.circuit(endpoint, state, reason)
      // The endpoint's own status follows.
      queueMicrotask(changed)
    },
  }
  const open = (way: OpenUpstreamOptions): OpenUpstream => {
    const endpoint = openUpstream({ ...way, name: endpointName(name, way.url), telemetry: own })
    opened.push(endpoint)
    return endpoint
  }
  const asked = (endpoint: OpenUpstream): Endpoint => {
    const { repository } = record(endpoint)
    return {
      url: endpoint.url,
      get status() {
        return endpoint.status
      },
      get isNearlyExhausted() {
        return endpoint.isNearlyExhausted
      },
      repository,
    }
  }
  const [first, ...others] = ways
  const whole = withEndpoints(name, [asked(open(first)), ...others.map((way) => asked(open(way)))], owners)

  return {
    name,
    url: first.url,
    endpoints: opened,
    get isNearlyExhausted() {
      return whole.isNearlyExhausted
    },
    get status() {
      return statusOf(opened)
    },
    repository: whole.repository,
    search: searchEndpoints(() => opened),
    heard: (outage) => opened.forEach((endpoint) => endpoint.heard(outage)),
    offlineChanged: () => opened.forEach((endpoint) => endpoint.offlineChanged()),
    abandon: () => opened.forEach((endpoint) => endpoint.abandon()),
    async close() {
      await Promise.all(opened.map((endpoint) => endpoint.close()))
    },
  }
}

/** It works as long as one of them does. */
function statusOf(endpoints: readonly OpenUpstream[]): UpstreamStatus {
  const statuses = endpoints.map(({ status }) => status)
  for (const state of ['up', 'limited', 'out'] as const) {
    const found = statuses.find((status) => status.state === state)
    if (found !== undefined) return found
  }
  return statuses[0]!
}
