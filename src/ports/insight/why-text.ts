import { ageText } from '../../util/human.ts'
import type { UpstreamReport } from './insight.ts'
import type { PullReport, TagReport } from './why.ts'

const CREDENTIALS: Readonly<Record<UpstreamReport['credentials'], string>> = {
  none: 'no credentials',
  unused: 'credentials not asked for yet',
  accepted: 'credentials accepted',
  refused: 'credentials refused',
}

/** `up for 3 h, 76 of 100 requests left, credentials accepted, answered 200`. `now`: epoch milliseconds. */
export function upstreamText(upstream: UpstreamReport, now: number): string {
  const { state, since, rateLimit, credentials, said } = upstream
  const age = ageText(now - Date.parse(since))
  const limit =
    rateLimit === null ? [] : [`${rateLimit.remaining} of ${rateLimit.limit ?? '?'} requests left`]
  return [age === 'now' ? state : `${state} for ${age}`, ...limit, CREDENTIALS[credentials], said].join(', ')
}

/** `fresh for 20 min`, `stale`, `too old to be served without upstream` */
export function freshnessText({ state, ttl }: Pick<TagReport, 'state' | 'ttl'>): string {
  if (state === 'fresh') return `fresh for ${ageText(Math.max(1, ttl) * 1000)}`
  return state === 'stale' ? 'stale' : 'too old to be served without upstream'
}

/** What a pull does while the upstream is down. Content without a platform, as a Helm chart, is of an unknown one. */
export function withoutUpstreamText({ withoutUpstream }: Pick<PullReport, 'withoutUpstream'>): string {
  if (withoutUpstream.length === 0) return 'fails'
  const known = withoutUpstream.filter((platform) => platform !== 'unknown')
  return known.length === 0 ? 'works' : `works for ${known.join(', ')}`
}
