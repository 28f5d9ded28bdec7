import type { Outage } from '../ports/cluster.ts'
import type { UpstreamTelemetry } from '../ports/telemetry.ts'
import type { SearchUpstream } from '../ports/search.ts'
import type { Upstream, UpstreamStatus } from '../ports/upstream.ts'
import { HOST, upstreamClient } from './client.ts'
import type { UpstreamClientOptions } from './client-options.ts'
import { credentialSource, type CredentialSourceOptions } from './credentials/credential-source.ts'
import { patternFor } from './credentials/repository-credentials.ts'
import { nodeTrust, type SystemTrust, upstreamTrust } from './net/trust-store.ts'
import { offlineError, withOffline } from './resilience/offline.ts'
import { withRememberedDenials } from './resilience/remembered-denials.ts'
import { upstreamState } from './resilience/upstream-state.ts'
import { withCircuitBreaker } from './resilience/with-circuit-breaker.ts'

/**
 * Everything that belongs to one configured upstream. To change its configuration, close it and open another.
 */
export interface OpenUpstream extends Upstream {
  /** Where it is; its first address where it has several. */
  readonly url: string
  /** Its addresses: itself where there is one. */
  readonly endpoints: readonly Upstream[]
  readonly status: UpstreamStatus
  /** Searches the names of its repositories. */
  readonly search: SearchUpstream
  /** Another replica finds something of it to be out, or to answer again. */
  heard(outage: Outage): void
  /** To be called when `isOffline` says otherwise than before. */
  offlineChanged(): void
  /** Ends its credential helpers at once, which would outlive the process. */
  abandon(): void
  /** Ends its requests, connections and helpers. */
  close(): Promise<void>
}

export interface OpenUpstreamOptions
  extends
    Omit<UpstreamClientOptions, 'credentials' | 'patternFor' | 'state' | 'trust'>,
    Pick<CredentialSourceOptions, 'login' | 'helper' | 'dockerConfig' | 'cloud' | 'repositoryLogins'> {
  readonly telemetry: UpstreamTelemetry
  /** The system's authorities. Omitted: Node's own only. */
  readonly systemTrust?: SystemTrust
  /** PEM certificates of authorities to trust besides. */
  readonly ca?: string
  /** The file that `ca` was read from. It is followed. */
  readonly caFile?: string
  /** Whether it is not to be dialled now. Omitted: it always may be. */
  readonly isOffline?: () => boolean
  /** Milliseconds that the denial of a repository is remembered. Omitted: it is not. */
  readonly rememberDenials?: number
  /** The environment of this process. */
  readonly env: NodeJS.ProcessEnv
  /** Called when a changed file or a helper is of no use, and its previous value stays in use. */
  readonly reloadFailed: (problem: unknown) => void
}

/**
 * Opens an upstream: its client, its credentials and its circuit breakers. It dials and reads nothing before
 * the first request.
 */
export function openUpstream(options: OpenUpstreamOptions): OpenUpstream {
  const {
    name,
    url,
    telemetry,
    env,
    login,
    helper,
    dockerConfig,
    cloud,
    repositoryLogins = [],
    systemTrust = nodeTrust(),
    ca,
    caFile,
    reloadFailed,
    rememberDenials = 0,
    isOffline = () => false,
    ...rest
  } = options
  const stopping = new AbortController()
  const trust = upstreamTrust({ system: systemTrust, ca, path: caFile, failed: reloadFailed })
  const state = upstreamState({ upstream: name, telemetry })
  const credentials = credentialSource({
    upstream: name,
    url,
    ...(login && { login }),
    ...(helper !== undefined && { helper }),
    ...(dockerConfig !== undefined && { dockerConfig }),
    ...(cloud && { cloud }),
    repositoryLogins,
    env,
    trust,
    proxyFor: rest.proxyFor,
    signal: stopping.signal,
    failed: reloadFailed,
  })
  const client = upstreamClient({
    ...rest,
    name,
    url,
    telemetry,
    trust,
    credentials,
    patternFor: patternFor(repositoryLogins.map(({ match }) => match)),
    state,
  })
  const { neighbours } = rest
  const breaker = withCircuitBreaker(client, {
    state,
    telemetry,
    tell: neighbours && ((what, isOut) => neighbours.tell({ endpoint: name, what, isOut })),
  })
  const guarded = withRememberedDenials(breaker, {
    duration: rememberDenials,
    credentials,
  })

  const reachable = withOffline(guarded, isOffline)
  const offlineChanged = () => state.report('offline', isOffline() ? offlineError(name) : undefined)
  if (isOffline()) offlineChanged()

  const opened: OpenUpstream = {
    name,
    url,
    get endpoints() {
      return [opened]
    },
    get isNearlyExhausted() {
      return client.isNearlyExhausted
    },
    get status() {
      return state.status
    },
    heard({ endpoint, what, isOut }) {
      if (endpoint !== name || isOffline()) return
      if (what === HOST) client.heardHost(isOut)
      else breaker.heard(what, isOut)
    },
    offlineChanged,
    repository: reachable.repository,
    async search(request, signal) {
      if (isOffline()) throw offlineError(name)
      return client.search(request, signal)
    },
    abandon: () => stopping.abort(),
    async close() {
      stopping.abort()
      await client.close()
    },
  }
  return opened
}
