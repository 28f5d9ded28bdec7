import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Config } from '../../config/load-config.ts'
import type { EndpointOwners } from '../../ports/endpoint-owners.ts'
import type { Neighbours, Outage } from '../../ports/cluster.ts'
import type { Rehearsals } from '../../ports/time.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import type { Tracer } from '../../ports/tracing.ts'
import type { Upstream } from '../../ports/upstream.ts'
import type { V1Store } from '../../ports/v1-images.ts'
import { readingThread } from '../../upstream/body/reading-thread.ts'
import { proxiesFrom } from '../../upstream/net/proxy-environment.ts'
import { systemTrust } from '../../upstream/net/trust-store.ts'
import { memoryOwners } from '../../upstream/endpoints/memory-owners.ts'
import { openEndpoints } from '../../upstream/endpoints/open-endpoints.ts'
import { type OpenUpstream, openUpstream, type OpenUpstreamOptions } from '../../upstream/open-upstream.ts'
import { withRewrite } from '../../upstream/rewrite/with-rewrite.ts'
import { noV1Store } from './no-v1-store.ts'
import { offlineSwitch } from './offline-switch.ts'
import type { LoopGuard } from '../../util/loop-guard.ts'

export interface Upstreams extends AsyncDisposable {
  /** Those that are configured now. */
  readonly byName: ReadonlyMap<string, OpenUpstream>
  /**
   * Opens what is new or has changed. What is replaced or gone is closed when nobody uses it any more.
   *
   * @param unused is fulfilled when no download of an upstream of this name runs that began before the call
   */
  configure(config: UpstreamsConfig, unused: (upstream: string) => Promise<unknown>): void
  /** Another replica finds something to be out, or to answer again. */
  heard(outage: Outage): void
  readonly rehearsals: Rehearsals
  /** Ends running credential helpers, which would outlive the process. */
  abandon(): void
}

export interface UpstreamsOptions {
  readonly log: Logger
  readonly telemetry: UpstreamTelemetry
  readonly loops: LoopGuard
  readonly tracer?: Tracer | undefined
  /** Remembers which endpoint answers for what. Left out: for as long as the process lives. */
  readonly owners?: EndpointOwners
  /** Where images of the first protocol are kept. Left out: they are not. */
  readonly v1?: V1Store
  /** Records what one of several endpoints answers. Left out: nobody does. */
  readonly record?: (endpoint: Upstream) => Upstream
  /** The other replicas; left out: there are none. */
  readonly neighbours?: Neighbours | undefined
  /** The ports of our own listeners. */
  readonly ownPorts: () => Iterable<number>
  /**
   * Of this process. It names proxies and the system's CA bundle, and credential helpers get a part of it.
   */
  readonly env: NodeJS.ProcessEnv
  /** As in `UpstreamClientOptions`. */
  readonly asker?: (() => string | undefined) | undefined
  /** Runs a minor garbage collection. */
  readonly collectGarbage?: (() => void) | undefined
}

type UpstreamsConfig = Pick<Config, 'upstreams' | 'cache'>

/** One address of an upstream. */
type EndpointConfig = NonNullable<Opened['entry']['endpoints']>[number]

/** What one upstream is opened with. */
interface Opened {
  readonly entry: UpstreamsConfig['upstreams'][string]
  readonly rememberDenials: number
  readonly upstream: OpenUpstream
}

/** Milliseconds that a replaced upstream stays open for requests that were about to use it. */
const LINGER = 60_000

/** Opens each configured upstream. */
export function buildUpstreams(config: UpstreamsConfig, options: UpstreamsOptions): Upstreams {
  const { log, telemetry, loops, ownPorts, env, collectGarbage } = options
  const { owners = memoryOwners(), record = (endpoint) => endpoint, v1 = noV1Store() } = options
  const environmentProxies = proxiesFrom(env)
  const system = systemTrust({
    env,
    failed: (err) => log.warn({ err }, 'reload failed, keeping the previous version'),
  })
  const reading = readingThread()
  const closing = new AbortController()
  const open = new Set<OpenUpstream>()
  let current = new Map<string, Opened>()
  let byName: Upstreams['byName'] = new Map()
  const offline = offlineSwitch((name) => byName.get(name)?.offlineChanged())

  function optionsOf(
    { name, timeouts, rate }: Opened['entry'],
    { login, credentials, credentialHelper: helper, ca, proxy, api, ...way }: EndpointConfig,
    rememberDenials: number,
  ): OpenUpstreamOptions {
    return {
      ...way,
      name,
      timeouts,
      ...(rate !== undefined && { rate }),
      rememberDenials,
      ...(api === 'v1' && { v1 }),
      ...(login && { login }),
      ...(helper !== undefined && { helper }),
      ...(credentials && { repositoryLogins: credentials }),
      ...(ca && { ca: ca.text, caFile: ca.path }),
      isOffline: () => offline.until(name) !== undefined,
      env,
      systemTrust: system,
      ownPorts,
      proxyFor: proxy === undefined ? environmentProxies : proxiesFrom(env, proxy),
      via: loops.via,
      tracer: options.tracer,
      neighbours: options.neighbours,
      reading,
      asker: options.asker,
      ...(collectGarbage && { collectGarbage }),
      telemetry,
      reloadFailed: (err: unknown) =>
        log.warn({ upstream: name, err }, 'reload failed, keeping the previous version'),
    }
  }

  function openOne(entry: Opened['entry'], rememberDenials: number): OpenUpstream {
    const [first, ...others] = (entry.endpoints ?? []).map((way) => optionsOf(entry, way, rememberDenials))
    const opened =
      first === undefined
        ? openUpstream(optionsOf(entry, entry, rememberDenials))
        : openEndpoints(entry.name, [first, ...others], { telemetry, owners, record })
    const upstream = entry.rewrite === undefined ? opened : withRewrite(opened, entry.rewrite)
    open.add(upstream)
    return upstream
  }

  /** The same upstream as long as its configuration is the same. */
  function take(entry: Opened['entry'], rememberDenials: number): Opened {
    const known = current.get(entry.name)
    if (known?.rememberDenials === rememberDenials && isDeepStrictEqual(known.entry, entry)) return known
    return { entry, rememberDenials, upstream: openOne(entry, rememberDenials) }
  }

  async function retire(upstream: OpenUpstream, unused: Promise<unknown>): Promise<void> {
    try {
      await unused
      await sleep(LINGER, undefined, { ref: false, signal: closing.signal })
    } catch (error) {
      // The process stops, and closes it with the others.
      if (closing.signal.aborted) return
      throw error
    }
    open.delete(upstream)
    await upstream.close()
  }

  const configure: Upstreams['configure'] = ({ upstreams, cache }, unused) => {
    const before = current
    current = new Map(Object.values(upstreams).map((entry) => [entry.name, take(entry, cache.negative)]))
    byName = new Map([...current].map(([name, { upstream }]) => [name, upstream]))
    for (const [name, { upstream }] of before) {
      if (current.get(name)?.upstream !== upstream) void retire(upstream, unused(name))
    }
  }
  configure(config, async () => {})

  return {
    get byName() {
      return byName
    },
    configure,
    heard: (outage) => byName.forEach((upstream) => upstream.heard(outage)),
    rehearsals: {
      begin(upstream, milliseconds) {
        const opened = current.get(upstream)
        if (opened === undefined) return 'unknown'
        return opened.entry.offline === true ? 'always' : offline.begin(upstream, milliseconds)
      },
      end: offline.end,
    },
    abandon() {
      for (const upstream of open) upstream.abandon()
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      offline[Symbol.dispose]()
      await Promise.all([...open].map((upstream) => upstream.close()))
    },
  }
}
