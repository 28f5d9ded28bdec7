import type { Content } from '../../oci/descriptor.ts'
import { digestFrom, hasherFor } from '../../oci/digest.ts'
import type { BlobReader } from '../../ports/blob-store.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'

/** Bytes that are hashed in one turn of the event loop. */
const AT_ONCE = 256 * 1024

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
  const hash = hasherFor(descriptor.digest)
  const pause = yieldEvery(1)
  for (let count; end < buffer.length; end += count) {
    count = await reader.read(buffer.subarray(end, end + AT_ONCE), end)
    if (count === 0) break
    hash.update(buffer.subarray(end, end + count))
    await pause()
  }
  const isRight = digestFrom(hash, descriptor.digest) === descriptor.digest
  return isRight ? { descriptor, bytes: buffer.subarray(0, end) } : undefined
}
