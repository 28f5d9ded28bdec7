import type {
  BucketReport,
  ClusterReport,
  RunningTransfer,
  Status,
  StoreReport,
  UpstreamReport,
  WebhookReport,
} from '../ports/insight/insight.ts'
import type { StoreUsage, UpstreamInventory } from '../ports/metadata.ts'
import { endpointUrl, upstreamIn, wayKey } from '../util/endpoint-name.ts'
import type { Answer, Answers } from './answers.ts'
import { causeOf } from './cause.ts'
import { loginAdvice, refusedText } from './login-advice.ts'
import type { StoreWatch } from './store-watch.ts'
import type { Traffic } from './traffic.ts'
import type { UpstreamView, UpstreamWatch } from './upstream-watch.ts'

export interface StatusOptions {
  readonly version: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  /** The URL of the registry; undefined = it listens on any free port. */
  readonly registry: string | undefined
  readonly defaultUpstream: string
  readonly upstreams: Pick<UpstreamWatch, 'views'>
  readonly answers: Pick<Answers, 'lastOf'>
  readonly store: Pick<StoreWatch, 'trouble'>
  readonly usage: () => Promise<StoreUsage>
  readonly usageByUpstream: UpstreamInventory['usageByUpstream']
  /** Bytes that content, index and unfinished downloads may take. */
  readonly limit: number
  /** Bytes that the content of upstreams may take, where they have a limit of their own. */
  readonly shares: ReadonlyMap<string, number>
  readonly transfers: () => readonly RunningTransfer[]
  readonly traffic: Pick<Traffic, 'report'>
  readonly webhooks: () => readonly WebhookReport[]
  /** Omitted where there is one replica. */
  readonly cluster?: (() => Promise<ClusterReport>) | undefined
  /** Omitted where there is no remote store. */
  readonly bucket?: (() => BucketReport) | undefined
}

/** Collects the state of the process, of each upstream and of the store. */
export function processStatus(options: StatusOptions): () => Promise<Status> {
  const { version, upstreams, answers, store, usage, limit, shares, transfers, traffic, startedAt } = options
  return async () => {
    const stored = await options.usageByUpstream()
    const views = upstreams.views()
    return {
      version,
      startedAt: isoText(startedAt),
      registry: options.registry ?? null,
      defaultUpstream: options.defaultUpstream,
      upstreams: views.map((view) =>
        Object.assign(upstreamReport(view, answers.lastOf(view.name), views), {
          storedBytes: stored.get(view.name)?.bytes ?? 0,
          limitBytes: shares.get(view.name) ?? null,
        }),
      ),
      store: storeReport(await usage(), limit, store),
      transfers: transfers(),
      traffic: traffic.report,
      webhooks: options.webhooks(),
      cluster: (await options.cluster?.()) ?? null,
      bucket: options.bucket?.() ?? null,
    }
  }
}

/** `all`: every upstream, and each of its endpoints where it has several. */
export function upstreamReport(
  own: UpstreamView,
  last: Answer | undefined,
  all: readonly UpstreamView[],
): UpstreamReport {
  const { name, state, since, rateLimit, credentials } = own
  const endpoint = lastEndpoint(own, all)
  const view = endpoint?.last === undefined ? own : { ...own, last: endpoint.last }
  const at = Math.max(view.last?.at ?? 0, last?.at ?? 0)
  return {
    name,
    state,
    since: isoText(since),
    ...saidBy(view, last, endpoint && endpointUrl(endpoint.name)),
    rateLimit: rateLimit ? { ...rateLimit, limit: rateLimit.limit ?? null, at: isoText(rateLimit.at) } : null,
    credentials,
    lastAnswerAt: at === 0 ? null : isoText(at),
    lastEndpoint: (endpoint && endpointUrl(endpoint.name)) ?? null,
  }
}

/** The endpoint of an upstream that has answered last, or failed to. */
function lastEndpoint({ name }: UpstreamView, all: readonly UpstreamView[]): UpstreamView | undefined {
  return all
    .filter((view) => view.name !== name && upstreamIn(view.name) === name && view.last !== undefined)
    .toSorted((a, b) => b.last!.number - a.last!.number)[0]
}

/** The worst that is known: why it gets no requests, then its credentials, then its last answer. */
function saidBy(
  view: UpstreamView,
  last: Answer | undefined,
  endpoint: string | undefined,
): Pick<UpstreamReport, 'said' | 'advice'> {
  const { name, said, advice = null, credentials, rateLimit } = view
  if (said !== undefined) return { said, advice }
  if (credentials === 'refused') {
    return {
      said: refusedText(refusedPattern(view)),
      advice: loginAdvice(name, refusedPattern(view)),
    }
  }
  if (last?.detail !== undefined) {
    const at = String(last.detail['upstream'] ?? name)
    const { cause, advice } = causeOf(at, last.outcome as Parameters<typeof causeOf>[1], last.detail)
    const url = upstreamIn(name) === name ? endpointUrl(at) : undefined
    return { said: url === undefined ? cause : `${cause}, at ${url}`, advice }
  }
  if (rateLimit?.isLow === true) {
    return {
      said: `leaves ${rateLimit.remaining} requests until its limit`,
      advice: `configure credentials in ${wayKey(name)}: most registries allow more to an account`,
    }
  }
  if (view.last === undefined) return { said: 'was not asked yet', advice: null }
  const at = endpoint === undefined ? '' : ` at ${endpoint}`
  return { said: `answered ${view.last.status ?? 'nothing'}${at}`, advice: null }
}

function refusedPattern({ logins }: UpstreamView): string | undefined {
  const [pattern] = [...logins].find(([, result]) => result === 'refused') ?? []
  return pattern || undefined
}

function storeReport(
  usage: StoreUsage,
  limitBytes: number,
  { trouble }: Pick<StoreWatch, 'trouble'>,
): StoreReport {
  const { objects, bytes, indexBytes, partialBytes, disk } = usage
  return {
    objects,
    bytes,
    limitBytes,
    indexBytes,
    partialBytes,
    freeBytes: disk.freeBytes,
    trouble: trouble ? { since: isoText(trouble.since), said: trouble.said, advice: trouble.advice } : null,
  }
}

export function isoText(instant: number): string {
  return new Date(instant).toISOString()
}
