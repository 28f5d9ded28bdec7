import { type FreshnessPolicy, freshnessOf } from './cache/tags/freshness.ts'
import { inspectBehind, inspectBrought } from './cache/inspect-brought.ts'
import { proxyRegistry } from './cache/proxy-registry.ts'
import { repositorySearch } from './cache/search/repository-search.ts'
import { router } from './cache/routing.ts'
import { storedUpstream } from './cache/stored-upstream.ts'
import { buildCoolDown, keptWhenDeleted } from './compose/tag-rules.ts'
import { buildViews } from './compose/views.ts'
import { buildInsight } from './compose/insight.ts'
import type { Config } from './config/load-config.ts'
import type { WhyOptions } from './observe/why/why.ts'
import type { Insight } from './ports/insight/insight.ts'
import type { Registry, Repository } from './ports/repository.ts'
import type { RepositorySearch } from './ports/search.ts'
import type { ServedOf, TimeOperations } from './ports/time.ts'
import type { Upstream } from './ports/upstream.ts'
import { schema2Manifests } from './schema1/schema2-manifests.ts'
import type { Parts } from './parts.ts'
import type { CoolDown } from './time/cool-down.ts'
import { createServedOf } from './time/served-of.ts'
import { createDrill } from './time/drill/drill.ts'
import { createDrift } from './time/drift.ts'
import { createTrust } from './time/trust.ts'
import { createRunReport } from './time/views/run-report.ts'

/** What answers from one snapshot of the configuration. */
export interface Serving {
  readonly registry: Registry
  /** Without the views of the past: names are as they are stored. */
  readonly present: Registry
  /** The same, without views and without asking any upstream: what is not stored does not exist. */
  readonly stored: Registry
  readonly search: RepositorySearch
  readonly insight: Insight
  readonly time: TimeOperations
  /** What pulls of an image get, or got at an instant: a cool-down may hold back what its tag points to. */
  readonly servedOf: ServedOf
  /** What a cool-down makes of a tag that points to a digest. */
  readonly heldOf: CoolDown['heldOf']
}

/**
 * Builds it from what it shares with other snapshots.
 *
 * @param servedSince since when each upstream is where it is now, in epoch milliseconds
 * @param trustChanged called when another digest is trusted, or is not any more
 */
export function buildServing(
  config: Config,
  {
    upstreams,
    disk,
    store,
    blobs,
    downloads,
    converter,
    sharing,
    bucket,
    transfers,
    scarcity,
    observed,
    webhooks,
    tracing,
    now,
  }: Parts,
  servedSince: ReadonlyMap<string, number>,
  trustChanged: () => void = () => {},
): Serving {
  const { tags, trusted, movesSince, seenAt, runs, inspect, pins } = disk
  const { cache } = config
  const found = bucket ? inspectBehind(inspect, blobs) : inspect
  const opened = [...upstreams.byName.values()]
  const freshness: FreshnessPolicy = {
    rules: cache.tags,
    staleIfError: cache.staleIfError,
    since: (upstream) => servedSince.get(upstream) ?? 0,
    isOffline: (upstream) => config.upstreams[upstream]?.offline === true,
  }
  const cooling = buildCoolDown(config, { history: tags.history, trusted, now })
  const forgetCooling = (): void => {
    cooling.forget()
    trustChanged()
  }
  sharing?.onTrust(forgetCooling)
  const offline = ({ name }: { readonly name: string }) =>
    storedUpstream(name, { blobs: store.blobs, tags: disk.tags })
  const isKept = keptWhenDeleted(config)
  const common = {
    route: router(Object.values(config.upstreams), config.defaultUpstream),
    rules: (upstream: string) => config.upstreams[upstream]!,
    store: { ...store, blobs },
    downloads,
    storeFailed: observed.storeFailed,
    telemetry: observed.telemetry.images,
    asking: observed.cost.asking,
    tagsSeen: cooling.guard,
    manifestsSeen: (repository: Pick<Repository, 'name' | 'blobs' | 'manifests'>) =>
      schema2Manifests(
        repository,
        config.upstreams[repository.name.upstream]?.schema1 === 'convert' ? converter : undefined,
      ),
    ...(isKept && { isKept }),
    now,
  }
  const watched = (upstream: Upstream): Upstream => {
    const recorded = observed.record(upstream)
    const shared = scarcity?.over(recorded) ?? recorded
    return tracing ? tracing.upstream(shared) : shared
  }
  const present = proxyRegistry({
    ...common,
    cluster: sharing?.cluster,
    upstreams: new Map(
      opened.map((upstream) => [
        upstream.name,
        freshness.isOffline!(upstream.name) ? offline(upstream) : watched(upstream),
      ]),
    ),
    freshness,
    negative: cache.negative,
    lists: cache.lists,
  })
  const stored = proxyRegistry({
    ...common,
    upstreams: new Map(opened.map((upstream) => [upstream.name, offline(upstream)])),
    freshness: { ...freshness, isOffline: () => true },
    negative: 0,
    lists: 0,
  })
  const registry = buildViews(config, {
    registry: present,
    past: tags.past,
    seenAt,
    servedThen: cooling.servedThen,
    runs,
    now,
  })
  const outlook: WhyOptions['freshness'] = ({ upstream }, tag, entry) =>
    freshnessOf(
      upstream,
      tag,
      entry,
      now(),
      freshness,
      upstreams.byName.get(upstream)?.isNearlyExhausted ?? false,
    )
  const insight = buildInsight(config, {
    observed,
    tags,
    inspect: found,
    pins,
    usage: () => store.inventory.usage(),
    usageByUpstream: () => store.ofUpstreams.usageByUpstream(),
    transfers,
    webhooks: webhooks.reports,
    cluster: sharing?.report,
    bucket,
    registry: present,
    heldOf: cooling.heldOf,
    owners: disk.endpointOwners,
    freshness: outlook,
    now,
  })
  const time: TimeOperations = {
    trust: createTrust({ registry: present, trusted, changed: forgetCooling, now }),
    drift: createDrift({ movesSince, heldOf: cooling.heldOf, inspect, now }),
    drill: createDrill({
      registry: present,
      upstreamNamed: (name) => common.route({ namespace: name, name: 'any' })?.upstream,
      usedSince: disk.usedSince,
      peek: tags.peek,
      freshness: outlook,
      staleIfError: cache.staleIfError,
      heldOf: cooling.heldOf,
      inspect: found,
      links: disk.links,
      now,
    }),
    run: createRunReport({
      record: runs.record,
      // Another replica may have pulled it.
      inspect: sharing ? inspectBrought(inspect, blobs) : inspect,
    }),
  }
  const search = repositorySearch({
    route: common.route,
    upstreams: new Map(
      opened
        .filter(({ name }) => config.upstreams[name]?.search === true)
        .map((upstream) => [
          upstream.name,
          freshness.isOffline!(upstream.name) ? undefined : upstream.search,
        ]),
    ),
    stored: disk.repositories,
    rules: common.rules,
    lists: cache.lists,
    staleIfError: cache.staleIfError,
    asking: common.asking,
    now,
  })
  return {
    present,
    registry: tracing ? tracing.registry(registry) : registry,
    stored,
    search,
    insight,
    time,
    servedOf: createServedOf({ past: tags.past, ...cooling }),
    heldOf: cooling.heldOf,
  }
}
