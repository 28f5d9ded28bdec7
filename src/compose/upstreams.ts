import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import type { UpstreamTelemetry } from '../ports/telemetry.ts'
import { upstreamClient } from '../upstream/client.ts'
import { credentialSource } from '../upstream/credentials/credential-source.ts'
import { proxiesFrom } from '../upstream/net/proxy-environment.ts'
import { withCircuitBreaker } from '../upstream/resilience/with-circuit-breaker.ts'

type GuardedUpstream = ReturnType<typeof withCircuitBreaker>

export interface Upstreams extends AsyncDisposable {
  readonly byName: ReadonlyMap<string, GuardedUpstream>
  /** Ends running credential helpers, which would outlive the process. */
  abandon(): void
}

export interface UpstreamsOptions {
  readonly log: Logger
  readonly telemetry: UpstreamTelemetry
  /** The environment of credential helpers, which also names the proxies to use. */
  readonly env: NodeJS.ProcessEnv
  /** Runs a minor garbage collection. */
  readonly collectGarbage?: (() => void) | undefined
}

/** A client with a circuit breaker for each configured upstream. */
export function buildUpstreams(
  { upstreams }: Pick<Config, 'upstreams'>,
  options: UpstreamsOptions,
): Upstreams {
  const { log, telemetry, env, collectGarbage } = options
  const stopping = new AbortController()
  const proxyFor = proxiesFrom(env)
  const clients = Object.values(upstreams).map(
    ({ credentials: login, credentialHelper: helper, dockerConfig, ca, ...upstream }) =>
      upstreamClient({
        ...upstream,
        credentials: credentialSource({
          upstream: upstream.name,
          url: upstream.url,
          ...(login && { login }),
          ...(helper !== undefined && { helper }),
          ...(dockerConfig !== undefined && { dockerConfig }),
          env,
          signal: stopping.signal,
          failed: (err) =>
            log.warn(
              { upstream: upstream.name, err },
              'reading credentials failed, keeping the previous ones',
            ),
        }),
        ...(ca && { ca: ca.text }),
        proxyFor,
        ...(collectGarbage && { collectGarbage }),
        telemetry,
      }),
  )

  return {
    byName: new Map(clients.map((client) => [client.name, withCircuitBreaker(client, { telemetry })])),
    abandon: () => stopping.abort(),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await Promise.all(clients.map((client) => client.close()))
    },
  }
}
