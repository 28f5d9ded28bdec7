import type { RegistryError } from '../oci/errors.ts'
import type { Advise, PulledTag } from '../ports/advise.ts'
import type { CacheStatus } from '../ports/read-options.ts'
import { causeOf } from './cause.ts'
import { recurring } from './recurring.ts'
import type { UpstreamView, UpstreamWatch } from './upstream-watch.ts'

export interface PullAdviceOptions {
  readonly upstreams: Pick<UpstreamWatch, 'view'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface Advice {
  /** Advice of the same kind about the same upstream is the same to a client. */
  readonly kind: 'stale' | 'deleted' | 'held' | 'limit'
  readonly text: string
}

const LONGEST = 200

/**
 * Tells a client once a minute that an answer is stale, deleted upstream or held back by a cool-down, or that
 * the rate limit of its upstream is nearly used up.
 */
export function pullAdvice({ upstreams, now }: PullAdviceOptions): Advise {
  const isTold = recurring(now)

  return (client, pulled, status) => {
    const { upstream } = pulled.repository
    const advice = adviceOn(pulled, upstreams.view(upstream), status)
    if (advice === undefined || isTold(`${client} ${upstream} ${advice.kind}`) === undefined) return undefined
    return printable(advice.text)
  }
}

function adviceOn(
  { repository: { upstream, name }, tag }: PulledTag,
  view: UpstreamView | undefined,
  status: CacheStatus | undefined,
): Advice | undefined {
  if (status?.result === 'stale') {
    const age = (status.ttl ?? 0) < 0 ? `, ${-status.ttl!} s past its freshness` : ''
    const said = view?.said ?? saidBy(upstream, status.outage) ?? 'does not answer in time'
    return { kind: 'stale', text: `served from the cache${age}: ${upstream} ${said}` }
  }
  if (status?.detail === 'deleted') {
    const text = `${upstream} has deleted ${name}:${tag}: this cache serves what it pointed to last`
    return { kind: 'deleted', text }
  }
  if (status?.heldUntil !== undefined) {
    const until = new Date(status.heldUntil).toISOString().replace(/\.\d+Z$/, 'Z')
    const text = `${name}:${tag} has moved at ${upstream}: a cool-down serves the previous digest until ${until}`
    return { kind: 'held', text }
  }
  if (view?.rateLimit?.isLow !== true) return undefined
  const { remaining, limit } = view.rateLimit
  const of = limit === undefined ? '' : ` of ${limit}`
  return { kind: 'limit', text: `${upstream} leaves ${remaining}${of} requests until its rate limit` }
}

function saidBy(upstream: string, outage: RegistryError | undefined): string | undefined {
  return outage && causeOf(upstream, outage.code, outage.detail).cause
}

/** It becomes a quoted string in a header. */
function printable(text: string): string {
  return text.replaceAll(/[^ !#-[\]-~]+/g, ' ').slice(0, LONGEST)
}
