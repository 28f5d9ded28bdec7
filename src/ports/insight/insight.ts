/**
 * What a running proxy knows of itself and of other registries. The types are those of the admin API:
 * instants are ISO 8601, sizes bytes, and `null` stands for what is not known or does not apply.
 */

import type { SavingsBy, SavingsReport } from './savings.ts'
import type { Why } from './why.ts'

export interface Insight {
  status(): Promise<Status>
  readonly traffic: TrafficHistory
  /** undefined = the text is no image. */
  why(image: string): Promise<Why | undefined>
  /** Of the last `days` days, today included. */
  savings(by: SavingsBy, days: number): Promise<SavingsReport>
}

/** What does not work, as a clause that follows its name, and what to do about it. */
export interface Trouble {
  readonly said: string
  readonly advice: string
}

export interface Status {
  readonly version: string
  readonly startedAt: string
  /** The URL of the registry, as clients reach it; null = it listens on any free port. */
  readonly registry: string | null
  /** The upstream of requests that name none. */
  readonly defaultUpstream: string
  readonly upstreams: readonly UpstreamStatus[]
  readonly store: StoreReport
  readonly transfers: readonly RunningTransfer[]
  readonly traffic: TrafficReport
  readonly webhooks: readonly WebhookReport[]
  /** null = there is one replica. */
  readonly cluster: ClusterReport | null
  /** null = there is no `storage.s3`. */
  readonly bucket: BucketReport | null
}

/** What is in `storage.s3`, as the last sweep found it; null = this process has not swept it yet. */
export interface BucketReport {
  readonly objects: number | null
  readonly bytes: number | null
  /** Of what pins and `views.retain` keep: it is never removed. */
  readonly keptBytes: number | null
  /** null = there is no limit. */
  readonly limitBytes: number | null
  readonly sweptAt: string | null
  /** Blobs that are not uploaded yet, and are not evicted here until they are. */
  readonly waitingUploads: number
  /** What fails in it now, or why it stays above its limit. */
  readonly trouble: Trouble | null
}

/** The replicas, as one of them sees them. */
export interface ClusterReport {
  /** Where the others reach this one. */
  readonly address: string
  /** How it learns of what the others change: at once, or by asking every second. */
  readonly news: 'listening' | 'polling'
  /** What the shared index was not told yet. */
  readonly untold: number
  /** This one included; null = the shared index is away. */
  readonly replicas: readonly ReplicaReport[] | null
  /** Why it is away. */
  readonly trouble: Trouble | null
}

export interface ReplicaReport {
  readonly address: string
  readonly isOwn: boolean
  readonly version: string
  readonly startedAt: string
  /** When it told the shared index of itself for the last time. It does so every half minute. */
  readonly seenAt: string
  /** What it does for all: `sweep`, `trim`. */
  readonly leads: readonly string[]
  /** Downloads from upstream whose leases it holds. */
  readonly downloads: number
}

/** One receiver of `events`, and what became of those that were to be sent to it since the process began. */
export interface WebhookReport {
  readonly name: string
  /** `failing`: the last attempt failed. `unused`: there was none. */
  readonly state: 'up' | 'failing' | 'unused'
  /** Events that wait, the one that is being sent included. */
  readonly queued: number
  readonly queuedBytes: number
  readonly delivered: number
  /** The receiver refused them. */
  readonly refused: number
  /** All attempts failed. */
  readonly failed: number
  /** There was no room in the queue. */
  readonly dropped: number
  readonly lastDeliveredAt: string | null
  /** How the last attempt went: a clause that follows the name. */
  readonly said: string
  readonly advice: string | null
}

/** Since the process began. */
export interface TrafficReport {
  readonly requests: number
  /** Requests that caused none upstream. */
  readonly hits: number
  readonly errors: number
  readonly servedBytes: number
  readonly upstreamRequests: number
  readonly upstreamBytes: number
}

/** What there was to do, by minute, of the last day at most. */
export interface TrafficHistory {
  /** Of a point; the last one is not over. */
  readonly seconds: number
  /** The oldest first. */
  readonly points: readonly TrafficPoint[]
}

export interface TrafficPoint extends TrafficReport {
  /** When it begins. */
  readonly at: string
}

export interface UpstreamReport {
  readonly name: string
  /**
   * `limited`: it limits us. `out`: it cannot be reached, or answers nobody. `offline`: it is never asked.
   */
  readonly state: 'up' | 'limited' | 'out' | 'offline'
  readonly since: string
  /** What it said last, or why it is not up: one clause that follows its name. */
  readonly said: string
  /** What to do about it. */
  readonly advice: string | null
  readonly rateLimit: RateLimitReport | null
  /** `unused`: they are configured, and it has not asked for them yet. */
  readonly credentials: 'none' | 'unused' | 'accepted' | 'refused'
  /** When it answered last, or failed to. */
  readonly lastAnswerAt: string | null
  /** Which of its endpoints did. null = it has one, or none has. */
  readonly lastEndpoint: string | null
}

export interface UpstreamStatus extends UpstreamReport {
  /** Bytes that are stored of it. Content that several upstreams have counts in each. */
  readonly storedBytes: number
  /** How many may be; null = it has no limit of its own. */
  readonly limitBytes: number | null
}

export interface RateLimitReport {
  readonly remaining: number
  readonly limit: number | null
  /** Less than a tenth is left: tags stay fresh longer, to leave the rest to what is not cached. */
  readonly isLow: boolean
  readonly at: string
}

export interface StoreReport {
  readonly objects: number
  /** Of committed content. */
  readonly bytes: number
  readonly limitBytes: number
  readonly indexBytes: number
  readonly partialBytes: number
  readonly freeBytes: number
  /** Why it does not keep content; null = it does. */
  readonly trouble: (Trouble & { readonly since: string }) | null
}

/** A download on its way into the store. */
export interface RunningTransfer {
  readonly upstream: string
  readonly digest: string
  readonly size?: number | undefined
  readonly filled: number
  readonly bytesPerSecond: number
  readonly followers: number
}
