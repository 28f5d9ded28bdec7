import { RegistryError } from '../../oci/errors.ts'
import type { V1Store } from '../../ports/v1-images.ts'

/** For who asks registries and stores nothing: images of the first protocol cannot be had without a store. */
export function noV1Store(): V1Store {
  return {
    index: { find: nothing, findDigest: nothing, add: nothing, forget: nothing },
    blobs: {
      stat: nothing,
      async ingest() {
        throw new RegistryError('STORAGE', { operation: 'ingest', reason: 'there is no store' })
      },
    },
    isComplete: async () => false,
    grant: nothing,
  }
}

async function nothing(): Promise<undefined> {
  return undefined
}
