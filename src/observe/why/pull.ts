import type { PlatformContent } from '../../ports/operations.ts'
import type { PlatformReport, PullReport } from '../../ports/insight/why.ts'
import type { Facts } from './facts.ts'

/** What a pull costs now, and what of the image is served while the upstream is down. */
export function pullReport(facts: Facts): PullReport {
  const { tag, content, reference, upstream } = facts
  const isByTag = 'tag' in reference
  const isAsked = upstream.state === 'up'
  const check = isAsked && isByTag && tag?.state !== 'fresh' ? 1 : 0
  const platforms = imagesIn(content?.platforms ?? [])
  const cheapest = platforms.toSorted((a, b) => costOf(a).bytes - costOf(b).bytes)[0]
  const canServe = content !== undefined && !(isByTag && (tag === undefined || tag.state === 'expired'))
  const withoutUpstream = canServe ? platforms.filter(isWhole).map(({ platform }) => platform) : []
  const known = cheapest?.isStored === true ? costOf(cheapest) : undefined
  if (!isAsked && (known === undefined || known.requests > 0)) {
    // Nothing is asked for, and it fails.
    return { requests: 0, bytes: 0, withoutUpstream, text: `no request upstream: it is ${upstream.state}` }
  }
  const requests = known === undefined ? null : check + known.requests
  return {
    requests,
    bytes: known?.bytes ?? null,
    withoutUpstream,
    text: textOf(check, known, cheapest?.platform),
  }
}

export function platformReport({
  platform,
  digest,
  isStored,
  size,
  missing,
  layers,
}: PlatformContent): PlatformReport {
  return {
    platform,
    digest,
    state: !isStored ? 'missing' : missing.length === 0 ? 'whole' : 'partly',
    parts: layers,
    bytes: size,
    missing,
  }
}

/** Without the manifests that describe others. */
export function imagesIn(platforms: readonly PlatformContent[]): readonly PlatformContent[] {
  return platforms.filter(({ platform }) => platform !== 'attestation')
}

export function isWhole({ isStored, missing }: PlatformContent): boolean {
  return isStored && missing.length === 0
}

function costOf({ isStored, missing }: PlatformContent): { requests: number; bytes: number } {
  if (!isStored) return { requests: Infinity, bytes: Infinity }
  return { requests: missing.length, bytes: missing.reduce((sum, { size }) => sum + size, 0) }
}

function textOf(
  check: number,
  known: { readonly requests: number; readonly bytes: number } | undefined,
  platform: string | undefined,
): string {
  if (known === undefined) return 'one request for each manifest and layer of the image'
  const asks = check > 0 ? 'one HEAD upstream' : 'no request upstream'
  if (known.requests === 0) return asks
  const of = platform === 'unknown' ? '' : ` of ${platform}`
  const layers = `${known.requests} ${known.requests === 1 ? 'layer' : 'layers'}${of}`
  return check > 0 ? `${asks}, then ${layers}` : layers
}
