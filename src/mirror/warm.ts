import { fetchImage, type FetchImageOptions, type PartProgress } from '../images/fetch-image.ts'
import { type Explain, missingWhy, offlineWhy } from '../images/missing-why.ts'
import type { MissingPart } from '../images/walk-image.ts'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Registry, Repository } from '../ports/repository.ts'
import type { MissingReport, Warm, WarmedImage, WarmOptions, WarmProgress } from '../ports/moving/warm.ts'
import { convertAhead } from './convert-ahead.ts'
import { findImage } from './find-image.ts'
import { sparing } from './sparing.ts'

export interface WarmingOptions extends Pick<FetchImageOptions, 'isStored'> {
  readonly registry: Pick<Registry, 'find'>
  /** The same, without asking upstream. */
  readonly stored: Pick<Registry, 'find'>
  /** Whether the rate limit of an upstream is nearly used up, or reached. */
  readonly isLimited: (upstream: string) => boolean
  /** Whether it is never asked. */
  readonly isOffline: (upstream: string) => boolean
  /** Empty when none were pulled. */
  readonly pulled: (
    repository: RepositoryName,
    reference: { readonly tag: string } | { readonly digest: Digest },
  ) => Promise<readonly string[]>
  readonly explain: Explain
}

/** For whom downloads are, where clients take turns: all of this together is one client. */
const CLIENT = 'warm'

export function createWarm(options: WarmingOptions): Warm {
  const { registry, stored, isLimited, isOffline, pulled, explain, isStored } = options

  return async ({ image: written, platforms: asked }, { signal, referrers, progress, pace }) => {
    const found = findImage(registry, written)
    if ('why' in found) return failed(written, found.why)
    const { image, reference } = found
    const { upstream, name } = found.repository.name
    const known = stored.find({ namespace: upstream, name })!
    let wasLimited = false
    const limited = () => {
      const now = isLimited(upstream)
      wasLimited ||= now
      return now
    }
    const repository = sparing(paced(found.repository, pace), known, limited)
    try {
      const digest =
        'digest' in reference
          ? reference.digest
          : await repository.tags.resolve(reference.tag, { signal, client: CLIENT })
      if (digest === undefined) {
        if (wasLimited) return later(image, upstream)
        return failed(
          image,
          isOffline(upstream) ? offlineWhy(upstream) : `${upstream} says that it does not exist`,
        )
      }
      const before = asked ?? (await pulled(found.repository.name, reference))
      const platforms = before.length === 0 ? undefined : before
      const result = await fetchImage(repository, digest, {
        platforms,
        referrers,
        isStored,
        signal,
        client: CLIENT,
        ...(progress && { progress: totals(image, progress) }),
      })
      const missing = result.missing.map((part) => report(part, upstream))
      const chosen = asked ? 'asked' : platforms ? 'pulled' : 'all'
      const common = { ...result, image, chosen, missing } as const
      if (missing.length === 0) {
        await convertAhead(repository, digest, { ...(signal && { signal }), client: CLIENT })
        return { ...common, state: 'done', said: '' }
      }
      if (wasLimited) return { ...later(image, upstream), ...common }
      const [{ why }] = missing as [MissingReport]
      const isNothing = result.manifests === 0
      return { ...common, state: isNothing ? 'failed' : 'incomplete', said: why }
    } catch (error) {
      if (!isRegistryError(error)) throw error
      return wasLimited || error.code === 'UPSTREAM_LIMITED'
        ? later(image, upstream)
        : failed(image, `${upstream} ${explain(upstream, error)}`)
    }
  }

  function report(part: MissingPart, upstream: string): MissingReport {
    const { what, digest = null, platform = null, size = null } = part
    const why = missingWhy(part, upstream, explain, isOffline(upstream))
    return { what, digest, platform, bytes: size, why }
  }
}

const NOTHING = { digest: null, platforms: [], chosen: 'all', bytes: 0, fetched: 0, missing: [] } as const

function failed(image: string, said: string): WarmedImage {
  return { ...NOTHING, image, state: 'failed', said }
}

function later(image: string, upstream: string): WarmedImage & { readonly state: 'later' } {
  const said = `the rate limit of ${upstream} is nearly used up: what is left is kept for pulls`
  return { ...NOTHING, image, state: 'later', said }
}

/** Waits for the pace before a blob is asked for. */
function paced(repository: Repository, pace: WarmOptions['pace']): Repository {
  if (pace === undefined) return repository
  const { blobs } = repository
  return {
    ...repository,
    blobs: {
      stat: (digest, options) => blobs.stat(digest, options),
      async open(digest, options) {
        await pace.ready(options?.signal)
        let isHit = false
        const opened = await blobs.open(digest, {
          ...options,
          report(status) {
            isHit = status.result === 'hit'
            options?.report?.(status)
          },
        })
        const descriptor = opened?.descriptor
        if (descriptor !== undefined && !isHit) pace.spent(descriptor.size)
        return opened
      },
    },
  }
}

/** Sums up the parts of an image. */
function totals(image: string, progress: (of: WarmProgress) => void): (part: PartProgress) => void {
  const parts = new Map<Digest, PartProgress>()
  // An image may have thousands of parts, of which few are on their way.
  const running = new Map<Digest, PartProgress>()
  let bytes = 0
  let done = 0
  return (part) => {
    const before = parts.get(part.digest)
    bytes += part.size - (before?.size ?? 0)
    done += part.done - (before?.done ?? 0)
    parts.set(part.digest, part)
    if (part.done > 0 && part.done < part.size) running.set(part.digest, part)
    else running.delete(part.digest)
    progress({
      image,
      state: 'running',
      bytes,
      done,
      parts: Array.from(running.values(), ({ digest, size, done }) => ({ digest, bytes: size, done })),
    })
  }
}
