import type { PlatformContent } from '../../ports/operations.ts'
import type { Forecast, PullForecast } from '../../ports/insight/drill.ts'

/** How a tag would be answered in an outage. */
export interface TagOutlook {
  readonly state: 'fresh' | 'stale' | 'expired'
  /** Until when it is served, in epoch milliseconds. */
  readonly servedUntil: number
}

/** A platform of a stored image, and what of it could not be read in an outage. */
export interface PlatformOutlook extends Pick<PlatformContent, 'platform'> {
  readonly missing: PullForecast['missing']
}

type Outcome = Pick<PullForecast, 'platform' | 'forecast' | 'until' | 'missing' | 'why'>

/**
 * What pulls of an image would get. `tag`: undefined for a pull by digest. `platforms`: those that were pulled
 * before; undefined = its manifest could not be read.
 */
export function forecastOf(
  tag: TagOutlook | undefined,
  platforms: readonly PlatformOutlook[] | undefined,
): readonly Outcome[] {
  if (platforms === undefined) return [gone('its manifest is not stored')]
  if (platforms.length === 0) return [gone('no platform of it is stored')]
  if (tag?.state === 'expired')
    return platforms.map(({ platform }) =>
      gone('the tag is too old to be served (cache.staleIfError)', platform),
    )
  return platforms.map((platform) => outcomeOf(tag, platform))
}

function outcomeOf(tag: TagOutlook | undefined, { platform, missing }: PlatformOutlook): Outcome {
  const base = { platform, until: null, missing, why: null }
  if (missing.length > 0) {
    const parts = missing.length === 1 ? 'a part' : `${missing.length} parts`
    return { ...base, forecast: 'incomplete', why: `${parts} of it cannot be read` }
  }
  if (tag?.state !== 'stale') return { ...base, forecast: 'served' }
  return { ...base, forecast: 'stale', until: new Date(tag.servedUntil).toISOString() }
}

function gone(why: string, platform: string | null = null): Outcome {
  return { platform, forecast: 'gone', until: null, missing: [], why }
}

export function wouldFail({ forecast }: { readonly forecast: Forecast }): boolean {
  return forecast === 'incomplete' || forecast === 'gone'
}
