import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { type BlobProvider, isInMemory } from '../ports/blob-store.ts'
import type { Inspect } from '../ports/operations.ts'
import { limiter } from '../util/async/limiter.ts'
import { readContent } from './memory/read-content.ts'

/** Bytes of a manifest or a config that are brought in. Registries refuse longer manifests. */
const LONGEST = 4 * 1024 * 1024
/** Requests to the bucket at once, and parts of one image that it is asked for. */
const AT_ONCE = 16
const MOST_ASKED = 1_000

/**
 * `inspect`, of images that another replica has stored too: their manifest, and the config that tells the platform
 * of one, are brought into this replica's own store first.
 */
export function inspectBrought(inspect: Inspect, blobs: Pick<BlobProvider, 'open'>): Inspect {
  return async (digest) => {
    const found = (await inspect(digest)) ?? (await bringIn(digest))
    const [only, another] = found?.platforms ?? []
    const config = only?.digest === digest && another === undefined ? only.missing[0] : undefined
    const isConfig = config !== undefined && config.digest === only?.parts[0]?.digest
    return isConfig ? ((await bringIn(config.digest, digest)) ?? found) : found

    async function bringIn(part: Digest, of = part): ReturnType<Inspect> {
      return (await fetched(blobs, part)) ? inspect(of) : undefined
    }
  }
}

/**
 * `inspect`, where a bucket has what this replica's own store does not: manifests, and configs that tell a platform,
 * are brought in, and no part that `blobs` has counts as missing.
 */
export function inspectBehind(inspect: Inspect, blobs: Pick<BlobProvider, 'open' | 'stat'>): Inspect {
  const brought = inspectBrought(inspect, blobs)
  return async (digest) => {
    const first = await brought(digest)
    const children = first?.platforms.filter(({ isStored }) => !isStored).map(({ digest }) => digest) ?? []
    const isBrought = await each(children, (child) => fetched(blobs, child))
    const found = isBrought.includes(true) ? await inspect(digest) : first
    if (found === undefined) return undefined
    const lacking = new Set(found.platforms.flatMap(({ missing }) => missing.map(({ digest }) => digest)))
    const asked = [...lacking].slice(0, MOST_ASKED)
    const has = await each(asked, async (part) => (await blobs.stat(part)) !== undefined)
    const elsewhere = new Set(asked.filter((_, i) => has[i]))
    const platforms = found.platforms.map((platform) => ({
      ...platform,
      missing: platform.missing.filter(({ digest }) => !elsewhere.has(digest)),
    }))
    return { ...found, platforms }
  }
}

function each<T>(
  digests: readonly Digest[],
  ask: (digest: Digest) => Promise<T>,
): Promise<readonly (T | undefined)[]> {
  const inTurn = limiter(AT_ONCE)
  return Promise.all(
    digests.map((digest) =>
      inTurn(() => ask(digest)).catch((error: unknown) => {
        // What cannot be asked counts as missing.
        if (!isRegistryError(error)) throw error
        return undefined
      }),
    ),
  )
}

/** @returns whether it is here now */
async function fetched(blobs: Pick<BlobProvider, 'open'>, digest: Digest): Promise<boolean> {
  try {
    const opened = await blobs.open(digest, { isByJob: true })
    if (opened === undefined || isInMemory(opened)) return opened !== undefined
    if (opened.descriptor.size <= LONGEST) return (await readContent(opened)) !== undefined
    await opened[Symbol.asyncDispose]()
  } catch (error) {
    // What cannot be read is not told of.
    if (!isRegistryError(error)) throw error
  }
  return false
}
