import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import type { UpstreamTelemetry } from '../ports/telemetry.ts'
import { proxiesFrom } from '../upstream/net/proxy-environment.ts'
import { systemTrust } from '../upstream/net/trust-store.ts'
import { type OpenUpstream, openUpstream } from '../upstream/open-upstream.ts'
import type { LoopGuard } from '../util/loop-guard.ts'

export interface Upstreams extends AsyncDisposable {
  readonly all: readonly OpenUpstream[]
  readonly byName: ReadonlyMap<string, OpenUpstream>
  /** Ends running credential helpers, which would outlive the process. */
  abandon(): void
}

export interface UpstreamsOptions {
  readonly log: Logger
  readonly telemetry: UpstreamTelemetry
  readonly loops: LoopGuard
  /** The ports of our own listeners. */
  readonly ownPorts: () => Iterable<number>
  /** Of this process. It names proxies and the system's CA bundle, and credential helpers get a part of it. */
  readonly env: NodeJS.ProcessEnv
  /** Runs a minor garbage collection. */
  readonly collectGarbage?: (() => void) | undefined
}

/** Opens each configured upstream. */
export function buildUpstreams(
  { upstreams, cache }: Pick<Config, 'upstreams' | 'cache'>,
  options: UpstreamsOptions,
): Upstreams {
  const { log, telemetry, loops, ownPorts, env, collectGarbage } = options
  const proxyFor = proxiesFrom(env)
  const system = systemTrust({
    env,
    failed: (err) => log.warn({ err }, 'reload failed, keeping the previous version'),
  })
  const all = Object.values(upstreams).map(
    ({ credentials: login, credentialHelper: helper, dockerConfig, ca, ...upstream }) =>
      openUpstream({
        ...upstream,
        ...(login && { login }),
        ...(helper !== undefined && { helper }),
        ...(dockerConfig !== undefined && { dockerConfig }),
        ...(ca && { ca: ca.text, caFile: ca.path }),
        rememberDenials: cache.negative,
        env,
        systemTrust: system,
        ownPorts,
        proxyFor,
        via: loops.via,
        ...(collectGarbage && { collectGarbage }),
        telemetry,
        reloadFailed: (err) =>
          log.warn({ upstream: upstream.name, err }, 'reload failed, keeping the previous version'),
      }),
  )

  return {
    all,
    byName: new Map(all.map((upstream) => [upstream.name, upstream])),
    abandon() {
      for (const upstream of all) upstream.abandon()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((upstream) => upstream.close()))
    },
  }
}
