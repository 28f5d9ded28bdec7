import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { ConversionIndex } from '../ports/conversions.ts'

/** Deletes what was converted with the images that it was made of. */
export function withConversions(
  store: Pick<BlobStore, 'delete'>,
  conversions: Pick<ConversionIndex, 'madeOf'>,
): Pick<BlobStore, 'delete'> {
  return {
    async delete(...digests) {
      await store.delete(...digests, ...(await conversions.madeOf(digests).catch(nothing)))
    },
  }
}

/** On a disk that is full, room is made all the same. */
function nothing(error: unknown): readonly Digest[] {
  if (isRegistryError(error, 'STORAGE')) return []
  throw error
}
