import { type FreshnessPolicy, freshnessOf } from './cache/freshness.ts'
import { proxyRegistry, type ProxyRegistryOptions } from './cache/proxy-registry.ts'
import { router } from './cache/routing.ts'
import { buildCoolDown } from './compose/cool-down.ts'
import { buildInsight, type InsightOptions } from './compose/insight.ts'
import type { Upstreams } from './compose/upstreams.ts'
import type { Config } from './config/load-config.ts'
import type { Insight } from './ports/insight.ts'
import type { Registry } from './ports/repository.ts'
import type { DriftReport, MovesSince, Trust, TrustedDigests } from './ports/time.ts'
import { createDrift } from './time/drift.ts'
import { createTrust } from './time/trust.ts'

/** What answers from one snapshot of the configuration. */
export interface Serving {
  readonly registry: Registry
  readonly insight: Insight
  readonly trust: Trust
  /** Of the last so many milliseconds. */
  readonly drift: (period: number) => Promise<DriftReport>
}

export interface ServingOptions
  extends
    Pick<ProxyRegistryOptions, 'store' | 'downloads' | 'now'>,
    Pick<InsightOptions, 'observed' | 'tags' | 'inspect' | 'pins' | 'usage' | 'transfers'> {
  readonly upstreams: Pick<Upstreams, 'byName'>
  readonly trusted: TrustedDigests
  readonly movesSince: MovesSince
  /** Since when each upstream is where it is now, in epoch milliseconds. */
  readonly servedSince: ReadonlyMap<string, number>
}

/** Builds it; the parts that it shares with other snapshots are given. */
export function buildServing(config: Config, options: ServingOptions): Serving {
  const { upstreams, trusted, movesSince, servedSince, store, downloads, observed, now, ...rest } = options
  const { cache } = config
  const opened = [...upstreams.byName.values()]
  const freshness: FreshnessPolicy = {
    rules: cache.tags,
    staleIfError: cache.staleIfError,
    since: (upstream) => servedSince.get(upstream) ?? 0,
  }
  const cooling = buildCoolDown(config, { history: rest.tags.history, trusted, now })
  const registry = proxyRegistry({
    route: router(Object.values(config.upstreams), config.defaultUpstream),
    upstreams: new Map(opened.map((upstream) => [upstream.name, observed.record(upstream)])),
    rules: (upstream) => config.upstreams[upstream]!,
    store,
    downloads,
    freshness,
    negative: cache.negative,
    lists: cache.lists,
    storeFailed: observed.storeFailed,
    tagsSeen: cooling.guard,
    now,
  })
  const insight = buildInsight(config, {
    ...rest,
    observed,
    registry,
    heldOf: cooling.heldOf,
    freshness: ({ upstream }, tag, entry) =>
      freshnessOf(
        upstream,
        tag,
        entry,
        now(),
        freshness,
        upstreams.byName.get(upstream)?.isNearlyExhausted ?? false,
      ),
    now,
  })
  const trust = createTrust({ registry, trusted, changed: cooling.forget, now })
  const drift = createDrift({ movesSince, heldOf: cooling.heldOf, now })
  return { registry, insight, trust, drift }
}
