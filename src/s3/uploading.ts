import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { BlobReader } from '../ports/blob-store.ts'

/** Reads exactly so many bytes. @throws RegistryError STORAGE when there are fewer */
export async function readPart(blob: BlobReader, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const count = await blob.read(buffer.subarray(filled), start + filled)
    if (count === 0) throw damaged(blob.descriptor.digest)
    filled += count
  }
  return buffer
}

export function damaged(digest: Digest): RegistryError {
  return new RegistryError('STORAGE', {
    operation: 'upload',
    reason: 'bytes do not match their digest',
    digest,
  })
}

export function noBucket(operation: 'put' | 'create' | 'list'): RegistryError {
  const reason = 'no such bucket'
  return new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: 's3', operation, status: 404, reason })
}
