import type { ImageContent, PlatformContent } from '../ports/operations.ts'
import type { MoveChange } from '../ports/time.ts'

/** The platform that is compared where both images have it. */
const USUAL = 'linux/amd64'

/**
 * What has changed from one image to another, as far as both are stored: of one platform its size, layers and
 * time of creation, and which platforms there are.
 */
export function moveChange(from: ImageContent | undefined, to: ImageContent | undefined): MoveChange | null {
  if (from === undefined || to === undefined) return null
  const [before, after] = [platformsOf(from), platformsOf(to)]
  const common = [...before.keys()].filter(
    (platform) => before.get(platform)!.isStored && after.get(platform)?.isStored === true,
  )
  const platform = common.includes(USUAL) ? USUAL : common[0]
  const pair = platform === undefined ? undefined : ([before.get(platform)!, after.get(platform)!] as const)
  return {
    platform: platform ?? null,
    size: pair ? { from: pair[0].size, to: pair[1].size } : null,
    layers: pair ? layersOf(...pair) : null,
    created: pair ? { from: pair[0].created ?? null, to: pair[1].created ?? null } : null,
    platformsAdded: [...after.keys()].filter((name) => !before.has(name)),
    platformsRemoved: [...before.keys()].filter((name) => !after.has(name)),
  }
}

/** Without the manifests that describe others. */
function platformsOf({ platforms }: ImageContent): ReadonlyMap<string, PlatformContent> {
  return new Map(
    platforms.filter(({ platform }) => platform !== 'attestation').map((each) => [each.platform, each]),
  )
}

/** The first part is the config. */
function layersOf(from: PlatformContent, to: PlatformContent): NonNullable<MoveChange['layers']> {
  const before = new Set(from.parts.slice(1).map(({ digest }) => digest))
  const after = to.parts.slice(1)
  return {
    from: before.size,
    to: after.length,
    shared: after.filter(({ digest }) => before.has(digest)).length,
  }
}
