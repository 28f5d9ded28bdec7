import type { Config } from '../config/load-config.ts'
import { registryUrl } from '../config/registry-url.ts'
import { processStatus } from '../observe/status.ts'
import { createWhy, type WhyOptions } from '../observe/why/why.ts'
import type {
  BucketReport,
  ClusterReport,
  Insight,
  RunningTransfer,
  WebhookReport,
} from '../ports/insight/insight.ts'
import type { StoreUsage, UpstreamInventory } from '../ports/metadata.ts'
import { rewriteRules } from '../upstream/rewrite/rewrite-rules.ts'
import { version } from '../util/version.ts'
import { describeAccess } from './describe-access.ts'
import { loginsOf } from './upstreams/logins-of.ts'
import { sharesIn } from './store/open-store.ts'
import type { Observation } from './observation.ts'

export interface InsightOptions extends Pick<
  WhyOptions,
  'registry' | 'tags' | 'inspect' | 'pins' | 'freshness' | 'heldOf' | 'owners' | 'now'
> {
  readonly observed: Observation
  readonly usage: () => Promise<StoreUsage>
  readonly usageByUpstream: UpstreamInventory['usageByUpstream']
  readonly transfers: () => readonly RunningTransfer[]
  readonly webhooks: () => readonly WebhookReport[]
  readonly cluster?: (() => Promise<ClusterReport>) | undefined
  readonly bucket?: (() => BucketReport) | undefined
}

/** What the process can tell of itself: `entrepot status`, `entrepot why`. */
export function buildInsight(
  config: Pick<Config, 'access' | 'cache' | 'defaultUpstream' | 'listen' | 'storage' | 'upstreams'>,
  { observed, usage, usageByUpstream, transfers, webhooks, cluster, bucket, ...options }: InsightOptions,
): Insight {
  const { upstreams, answers, store, traffic } = observed
  return {
    status: processStatus({
      version: version(),
      startedAt: observed.startedAt,
      registry: registryUrl(config.listen),
      defaultUpstream: config.defaultUpstream,
      upstreams,
      answers,
      store,
      usage,
      usageByUpstream,
      limit: config.storage.maxSize,
      shares: sharesIn(config),
      transfers,
      traffic,
      webhooks,
      cluster,
      bucket,
    }),
    get traffic() {
      return observed.trafficHistory.history
    },
    savings: observed.savings.report,
    why: createWhy({
      ...options,
      ttl: config.cache.ttl,
      ttlFrom: config.cache.ttlFrom,
      staleIfError: config.cache.staleIfError,
      upstreams,
      answers,
      store,
      configured: (upstream) => config.upstreams[upstream]!,
      otherName: ({ upstream, name }) => rewriteRules(config.upstreams[upstream]!.rewrite ?? [])(name),
      loginOf: loginsOf(config.upstreams),
      access: describeAccess(config),
    }),
  }
}
