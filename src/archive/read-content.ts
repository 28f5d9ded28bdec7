import type { Digest } from '../oci/digest.ts'
import { type BlobReader, isInMemory } from '../ports/blob-store.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { Repository } from '../ports/repository.ts'
import { yieldEvery } from '../util/async/yield-every.ts'

/** Bytes of a read. */
const PIECE = 1024 * 1024

/**
 * The bytes of a blob or manifest, from upstream where they are not stored. `client` is whom the download is for.
 *
 * @throws Error when it does not exist
 */
export async function* contentOf(
  repository: Repository,
  digest: Digest,
  client: string,
): AsyncGenerator<Uint8Array> {
  const options = { client }
  const opened =
    (await repository.blobs.open(digest, options)) ?? (await manifestOf(repository, digest, options))
  if (opened === undefined)
    throw new Error(`${digest} was evicted meanwhile, and does not exist upstream any more`)
  if (isInMemory(opened)) {
    yield opened.bytes
    return
  }
  await using reader: BlobReader = opened
  const { size } = reader.descriptor
  const pause = yieldEvery()
  for (let position = 0; position < size;) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE, size - position))
    const count = await reader.read(buffer, position)
    if (count === 0) throw new Error(`${digest} ended early`)
    yield buffer.subarray(0, count)
    position += count
    await pause()
  }
}

async function manifestOf({ manifests }: Repository, digest: Digest, options: ReadOptions) {
  const manifest = await manifests.get(digest, options)
  return manifest && { descriptor: manifest.descriptor, bytes: manifest.body }
}
