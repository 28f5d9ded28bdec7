import { digestFrom, hasherFor } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { BlobReader, WrappedReader } from '../../ports/blob-store.ts'

export interface VerifyingReaderOptions {
  /**
   * Whether content that is not read from its start is hashed before any of it is returned. Otherwise it is
   * not verified.
   */
  readonly strict: boolean
  /** Only a part of the content will be read. */
  readonly partly: boolean
  /** Called when the bytes do not match the digest, before the read that found it fails. */
  readonly corrupt: () => Promise<void>
}

const PIECE = 512 * 1024

/**
 * Hashes content while it is read, and returns the last piece only when the digest is right.
 *
 * @throws RegistryError STORAGE with reason ECORRUPT, from `read`, when it is wrong.
 */
export function verifyingReader(
  reader: BlobReader,
  { strict, partly, corrupt }: VerifyingReaderOptions,
): BlobReader {
  const { descriptor } = reader
  const hash = hasherFor(descriptor.digest)
  let hashed = 0
  let isOver = false

  return {
    descriptor,
    isPromised: reader.isPromised,
    // These bytes would pass by the hash.
    sharing: undefined,
    file: undefined,
    location: undefined,
    lend: undefined,
    reread: undefined,
    async read(buffer, position) {
      const isInOrder = position === hashed && !partly
      if (!isOver && !isInOrder) await (strict ? hashRest() : giveUp())
      if (isOver) return reader.read(buffer, position)
      const count = await reader.read(buffer, position)
      await add(buffer.subarray(0, count))
      return count
    },
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  } satisfies WrappedReader

  function giveUp(): void {
    isOver = true
  }

  async function hashRest(): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, descriptor.size))
    while (!isOver) {
      const count = await reader.read(buffer, hashed)
      if (count === 0) return fail()
      await add(buffer.subarray(0, count))
    }
  }

  async function add(bytes: Buffer): Promise<void> {
    hash.update(bytes)
    hashed += bytes.length
    if (hashed < descriptor.size) return
    isOver = true
    if (digestFrom(hash, descriptor.digest) !== descriptor.digest) await fail()
  }

  async function fail(): Promise<void> {
    await corrupt()
    throw new RegistryError('STORAGE', { operation: 'read', reason: 'ECORRUPT', digest: descriptor.digest })
  }
}
