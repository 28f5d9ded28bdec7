/** What pulls would get if an upstream were gone. */
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'

/** An image that clients have used. */
export interface UsedImage {
  readonly repository: RepositoryName
  /** undefined = it was pulled by digest, or its tag has moved. */
  readonly tag?: string | undefined
  readonly digest: Digest
}

/** The images used since an instant, in epoch milliseconds. Throws RegistryError STORAGE. */
export type UsedSince = (instant: number) => Promise<readonly UsedImage[]>

/**
 * - `served`: as if nothing had happened.
 * - `stale`: the tag is past its freshness, and is served until `until`.
 * - `incomplete`: some of it is not stored, or its repository has not proved that it contains it.
 * - `gone`: its manifest is not stored, or its tag is too old to be served.
 */
export type Forecast = 'served' | 'stale' | 'incomplete' | 'gone'

/** What a pull of one platform of an image would get. `null` is what does not apply; instants are ISO 8601. */
export interface PullForecast {
  /** `docker.io/library/node:20` */
  readonly image: string
  readonly digest: string
  /** `linux/amd64`; null = nothing is known of its platforms. */
  readonly platform: string | null
  readonly forecast: Forecast
  readonly until: string | null
  /** The first of them: 200 of one pull, and 50,000 in one report. */
  readonly missing: readonly { readonly digest: string; readonly size: number }[]
  /** One clause: why it would fail. */
  readonly why: string | null
  /** A command that would mend it. */
  readonly mend: string | null
}

export interface DrillReport {
  /** Images used since then. */
  readonly since: string
  /** null = every upstream is gone. */
  readonly upstream: string | null
  /** How many pulls in a hundred would work, rounded down; 100 where there are none. */
  readonly score: number
  readonly counts: Readonly<Record<Forecast, number>>
  readonly pulls: readonly PullForecast[]
  /** There are more images than were looked at. */
  readonly isCut: boolean
}

/**
 * Of the images used in the last `period` milliseconds; of one upstream, by any of its names, or of all. Counts as
 * no use of them. undefined = no such upstream is configured.
 */
export type Drill = (period: number, upstream?: string) => Promise<DrillReport | undefined>
