import type { Digest } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import { imageText } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Drill, PullForecast, UsedImage, UsedSince } from '../../ports/insight/drill.ts'
import type { LinkIndex, TagEntry, TagPeek } from '../../ports/metadata.ts'
import type { Inspect, PlatformContent } from '../../ports/operations.ts'
import type { Registry } from '../../ports/repository.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'
import type { CoolDown } from '../cool-down.ts'
import { forecastOf, type PlatformOutlook, type TagOutlook, wouldFail } from './forecast.ts'

export interface DrillOptions extends TagPeek {
  /** Today's rules: what is denied is not pulled. */
  readonly registry: Pick<Registry, 'find'>
  /** The name of the upstream that this one, or an alias, is of. */
  readonly upstreamNamed: (name: string) => string | undefined
  readonly usedSince: UsedSince
  readonly freshness: (
    repository: RepositoryName,
    tag: string,
    entry: TagEntry,
  ) => { readonly state: TagOutlook['state']; readonly ttl: number }
  /** Milliseconds. */
  readonly staleIfError: number
  readonly heldOf: CoolDown['heldOf']
  readonly inspect: Inspect
  readonly links: Pick<LinkIndex, 'has'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Images that are looked at, and pulls of their platforms. */
const MOST = 10_000
const MOST_PULLS = 50_000
/** Missing parts that are named, of one pull and of all. */
const MOST_OF_ONE = 200
const MOST_NAMED = 50_000

/** Forecasts an outage: sends no request, and is no use of what it looks at. */
export function createDrill(options: DrillOptions): Drill {
  const { registry, upstreamNamed, usedSince, peek, freshness, staleIfError, heldOf, inspect, links, now } =
    options

  return async function drill(period, asked) {
    const upstream = asked === undefined ? undefined : upstreamNamed(asked)
    if (asked !== undefined && upstream === undefined) return undefined
    const since = now() - period
    const pause = yieldEvery()
    const pulls: PullForecast[] = []
    let images = 0
    let isCut = false
    let named = 0
    for (const image of await usedSince(since)) {
      await pause()
      const { repository } = image
      if ((upstream !== undefined && repository.upstream !== upstream) || !isPulled(repository)) continue
      isCut = images === MOST || pulls.length >= MOST_PULLS
      if (isCut) break
      images += 1
      for (const pull of await forecast(image)) {
        const missing = pull.missing.slice(0, Math.min(MOST_OF_ONE, MOST_NAMED - named))
        named += missing.length
        pulls.push({ ...pull, missing })
      }
    }
    const counts = { served: 0, stale: 0, incomplete: 0, gone: 0 }
    for (const pull of pulls) counts[pull.forecast] += 1
    const works = counts.served + counts.stale
    return {
      since: new Date(since).toISOString(),
      upstream: upstream ?? null,
      score: pulls.length === 0 ? 100 : Math.floor((100 * works) / pulls.length),
      counts,
      pulls,
      isCut,
    }
  }

  function isPulled({ upstream, name }: RepositoryName): boolean {
    try {
      return registry.find({ name: `${upstream}/${name}` }) !== undefined
    } catch (error) {
      if (isRegistryError(error, 'DENIED')) return false
      throw error
    }
  }

  async function forecast(image: UsedImage): Promise<readonly PullForecast[]> {
    const { repository } = image
    const tag = await tagOf(image)
    const digest = tag?.digest ?? image.digest
    const text = imageText({ ...image, digest })
    return forecastOf(tag, await platformsOf(repository, digest)).map((outcome) =>
      Object.assign(outcome, {
        image: text,
        digest,
        mend: wouldFail(outcome) ? mendOf(text, outcome.platform) : null,
      }),
    )
  }

  /** undefined = it was pulled by digest */
  async function tagOf({ repository, tag }: UsedImage) {
    const entry = tag === undefined ? undefined : await peek(repository, tag)
    if (tag === undefined || entry === undefined) return undefined
    const { state, ttl } = freshness(repository, tag, entry)
    const held = await heldOf(repository, tag, entry.digest)
    return { digest: (held ?? entry).digest, state, servedUntil: now() + ttl * 1000 + staleIfError }
  }

  async function platformsOf(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<readonly PlatformOutlook[] | undefined> {
    const content = (await links.has(repository, digest)) ? await inspect(digest) : undefined
    if (content === undefined) return undefined
    const outlooks: PlatformOutlook[] = []
    for (const platform of content.platforms) {
      if (!platform.isStored || platform.platform === 'attestation') continue
      if (!(await links.has(repository, platform.digest))) continue
      outlooks.push({ platform: platform.platform, missing: await missingOf(repository, platform) })
    }
    return outlooks
  }

  /** What is not stored, and what the repository would have to prove upstream that it contains it. */
  async function missingOf(repository: RepositoryName, { missing, parts }: PlatformContent) {
    const notStored = new Set(missing.map(({ digest }) => digest))
    const found: { readonly digest: Digest; readonly size: number }[] = []
    const pause = yieldEvery()
    for (const part of parts) {
      if (notStored.has(part.digest) || !(await links.has(repository, part.digest))) found.push(part)
      await pause()
    }
    return found
  }
}

/** The platform of an image that tells none, `unknown`, is nothing that `warm` takes. */
function mendOf(image: string, platform: string | null): string {
  return `entrepot warm ${image}${platform?.includes('/') === true ? ` --platform ${platform}` : ''}`
}
