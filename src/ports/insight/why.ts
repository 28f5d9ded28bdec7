/**
 * Why a pull of an image goes as it goes. The types are those of the admin API: instants are ISO 8601, sizes
 * bytes, and `null` stands for what is not known or does not apply.
 */
import type { UpstreamReport } from './insight.ts'

export interface Why {
  /** `docker.io/library/node:20` */
  readonly image: string
  /** What a pull would do now, and why: one line. */
  readonly verdict: string
  readonly works: 'yes' | 'no' | 'unknown'
  /** What to do about it. */
  readonly advice: string | null
  /** null = no upstream is configured for it. */
  readonly route: RouteReport | null
  /** Who may pull it. */
  readonly access: string
  /** The rule of the upstream that forbids it; null = it may be pulled. */
  readonly deniedBy: string | null
  readonly upstream: UpstreamReport | null
  /** null = it was asked for by digest, or the tag is not known. */
  readonly tag: TagReport | null
  /** What the tag was seen to point to, newest first. */
  readonly history: readonly { readonly at: string; readonly digest: string }[]
  readonly stored: StoredReport | null
  /** The pin that keeps it. */
  readonly pinnedBy: string | null
  /** When it is evicted if nobody uses it until then; sooner when the store is full. */
  readonly evictedAt: string | null
  readonly pull: PullReport | null
  /** The last answers of the upstream for this repository, or of each of its endpoints, newest first. */
  readonly answers: readonly AnswerReport[]
}

export interface RouteReport {
  readonly upstream: string
  readonly url: string
  readonly repository: string
  /** Why this upstream. */
  readonly rule: string
  /** Its addresses in the order in which they are asked. */
  readonly endpoints: readonly string[]
  /**
   * The endpoint that the image belongs to, for it has answered for the tag, or listed the tags of the
   * repository. null = there is one endpoint, or none has.
   */
  readonly owner: { readonly url: string; readonly of: 'tag' | 'list' } | null
  /** The second name that the upstream is asked by; `always`: instead of the first. null = there is none. */
  readonly rewrite: { readonly name: string; readonly always: boolean } | null
}

export interface TagReport {
  readonly digest: string
  /** `fresh`: served without asking. `stale`: asked for, and served all the same in an outage. */
  readonly state: 'fresh' | 'stale' | 'expired'
  /** Seconds of freshness left; negative when past. */
  readonly ttl: number
  readonly checkedAt: string
  /** Until when it is served in an outage of the upstream. */
  readonly servedUntil: string
  /** When upstream had deleted the tag, which cache.keepDeleted keeps; null = it has not. */
  readonly deletedAt: string | null
  /** A cool-down serves another digest until then; null = the digest itself is served. */
  readonly coolDown: { readonly served: string; readonly until: string } | null
}

export interface StoredReport {
  readonly digest: string
  readonly storedAt: string
  readonly lastUsed: string
  readonly hits: number
  readonly platforms: readonly PlatformReport[]
}

export interface PlatformReport {
  readonly platform: string
  readonly digest: string
  /** `missing`: not even its manifest is stored. */
  readonly state: 'whole' | 'partly' | 'missing'
  readonly parts: number
  readonly bytes: number
  readonly missing: readonly { readonly digest: string; readonly size: number }[]
}

export interface PullReport {
  /** What it costs now; null = not known before its manifest is. */
  readonly requests: number | null
  readonly bytes: number | null
  /** The platforms that a client gets while the upstream is down. */
  readonly withoutUpstream: readonly string[]
  readonly text: string
}

export interface AnswerReport {
  readonly at: string
  /** Whose answer it is. null = the upstream has one endpoint. */
  readonly endpoint: string | null
  readonly kind: string
  readonly reference: string | null
  /** `found`, `does not exist`, or why it failed. */
  readonly said: string
  readonly milliseconds: number
}
