import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { Repository } from '../ports/repository.ts'

/**
 * Has an image of schema 1 converted where its upstream says so, that the first client finds it done. Waits as
 * long as that takes.
 *
 * @throws RegistryError when it cannot be converted
 */
export async function convertAhead(
  { manifests }: Pick<Repository, 'manifests'>,
  digest: Digest,
  options: Pick<ReadOptions, 'signal' | 'client'>,
): Promise<void> {
  for (;;) {
    try {
      await manifests.get(digest, { ...options, refusesSchema1: true })
      return
    } catch (error) {
      // It is not to be converted, and clients that take it have all of it.
      if (isRegistryError(error, 'MANIFEST_UNKNOWN')) return
      if (!isRegistryError(error, 'CONVERTING')) throw error
    }
  }
}
