import type { Advise } from '../ports/advise.ts'
import { recurring } from './recurring.ts'
import type { UpstreamView, UpstreamWatch } from './upstream-watch.ts'

export interface PullAdviceOptions {
  readonly upstreams: Pick<UpstreamWatch, 'view'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

const LONGEST = 200

/**
 * Tells a client once a minute that an answer is stale, or that the rate limit of its upstream is nearly used
 * up.
 */
export function pullAdvice({ upstreams, now }: PullAdviceOptions): Advise {
  const isTold = recurring(now)

  return (client, upstream, status) => {
    const view = upstreams.view(upstream)
    const text = status?.result === 'stale' ? staleText(upstream, view, status.ttl) : limitText(view)
    if (text === undefined || isTold(`${client} ${upstream} ${status?.result === 'stale'}`) === undefined)
      return undefined
    return printable(text)
  }
}

function staleText(upstream: string, view: UpstreamView | undefined, ttl = 0): string {
  const age = ttl < 0 ? `, ${-ttl} s past its freshness` : ''
  return `served from the cache${age}: ${upstream} ${view?.said ?? 'does not answer'}`
}

function limitText(view: UpstreamView | undefined): string | undefined {
  if (view?.rateLimit?.isLow !== true) return undefined
  const { remaining, limit } = view.rateLimit
  const of = limit === undefined ? '' : ` of ${limit}`
  return `${view.name} leaves ${remaining}${of} requests until its rate limit`
}

/** It becomes a quoted string in a header. */
function printable(text: string): string {
  return text.replaceAll(/[^ !#-[\]-~]+/g, ' ').slice(0, LONGEST)
}
