import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { type BlobProvider, isInMemory } from '../ports/blob-store.ts'
import type { Inspect } from '../ports/operations.ts'
import { readContent } from './read-content.ts'

/** Bytes of a manifest or a config that are brought in. Registries refuse longer manifests. */
const LONGEST = 4 * 1024 * 1024

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
      return (await fetched(part)) ? inspect(of) : undefined
    }
  }

  /** @returns whether it is here now */
  async function fetched(digest: Digest): Promise<boolean> {
    try {
      const opened = await blobs.open(digest)
      if (opened === undefined || isInMemory(opened)) return opened !== undefined
      if (opened.descriptor.size <= LONGEST) return (await readContent(opened)) !== undefined
      await opened[Symbol.asyncDispose]()
    } catch (error) {
      // What cannot be read is not told of.
      if (!isRegistryError(error)) throw error
    }
    return false
  }
}
