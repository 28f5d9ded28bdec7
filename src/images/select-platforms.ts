import type { ManifestPart } from '../oci/manifest-parts.ts'
import { platformMatcher } from '../oci/platform.ts'

export interface SelectedPlatforms {
  readonly chosen: readonly ManifestPart[]
  readonly leftOut: readonly ManifestPart[]
  /** Patterns that no platform of the index matches. */
  readonly unmatched: readonly string[]
}

/**
 * Which manifests of an index are for these platforms. An attestation goes with what it describes; what
 * states no platform is for all. Without patterns, and of an index that states no platforms, all are chosen.
 */
export function selectPlatforms(
  manifests: readonly ManifestPart[],
  patterns: readonly string[] | undefined,
): SelectedPlatforms {
  const stated = manifests.filter(({ platform }) => isStated(platform))
  if (patterns === undefined || stated.length === 0) return { chosen: manifests, leftOut: [], unmatched: [] }
  const matchers = patterns.map((pattern) => ({ pattern, matches: platformMatcher(pattern) }))
  const isMeant = (platform: string) => matchers.some(({ matches }) => matches(platform))
  const meant = new Set(stated.filter(({ platform }) => isMeant(platform!)).map(({ digest }) => digest))
  const isChosen = ({ digest, platform, describes }: ManifestPart): boolean => {
    if (isStated(platform)) return meant.has(digest)
    return describes === undefined || meant.has(describes)
  }
  return {
    chosen: manifests.filter(isChosen),
    leftOut: manifests.filter((one) => !isChosen(one)),
    unmatched: matchers
      .filter(({ matches }) => !stated.some(({ platform }) => matches(platform!)))
      .map(({ pattern }) => pattern),
  }
}

function isStated(platform: string | undefined): boolean {
  return platform !== undefined && platform !== 'attestation'
}
