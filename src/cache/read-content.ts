import type { Content } from '../oci/descriptor.ts'
import { digestOf } from '../oci/digest.ts'
import type { BlobReader } from '../ports/blob-store.ts'

/**
 * Reads a small blob into memory, and disposes the reader.
 *
 * @returns undefined when the bytes do not match the digest
 */
export async function readContent(reader: BlobReader): Promise<Content | undefined> {
  await using _ = reader
  const { descriptor } = reader
  const buffer = Buffer.allocUnsafeSlow(descriptor.size)
  let end = 0
  for (let count; end < buffer.length; end += count) {
    count = await reader.read(buffer.subarray(end), end)
    if (count === 0) break
  }
  const bytes = buffer.subarray(0, end)
  return digestOf(bytes, descriptor.digest) === descriptor.digest ? { descriptor, bytes } : undefined
}
