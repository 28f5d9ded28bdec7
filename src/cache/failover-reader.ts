import type { Content } from '../oci/descriptor.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import {
  type BlobReader,
  type BytesSharing,
  isInMemory,
  type LentBytes,
  type OpenedBlob,
  type WrappedReader,
} from '../ports/blob-store.ts'

/** Bytes that are compared at a time. */
const PIECE = 64 * 1024

/**
 * Reads from `reader` until the store fails, then continues at the same byte from the blob that `reopen`
 * opens. It switches once at most.
 *
 * The other blob is verified as a whole, which says nothing about the bytes that `reader` returned before.
 * So these are read again and compared first; a reader that cannot read them again is left only before its
 * first byte.
 *
 * @throws RegistryError UPSTREAM_INVALID from `read` when bytes were returned that are not the blob's.
 */
export function failoverReader(
  reader: BlobReader,
  reopen: () => Promise<OpenedBlob | undefined>,
): BlobReader {
  let current = reader
  let hasSwitched = false
  let isDisposed = false
  /** What was returned: callers read upwards from where they begin. */
  let start: number | undefined
  let end = 0

  function sharingOf({ sharing }: BlobReader): BytesSharing | undefined {
    if (hasSwitched || sharing === undefined) return undefined
    return {
      key: sharing.key,
      took(position, count) {
        sharing.took(position, count)
        returned(position, count)
      },
    }
  }

  return {
    descriptor: reader.descriptor,
    file: reader.file,
    location: reader.location,
    get sharing() {
      return sharingOf(reader)
    },
    isPromised: reader.isPromised,
    async read(buffer, position) {
      try {
        return await readCurrent(buffer, position)
      } catch (error) {
        const isLost = start !== undefined && reader.reread === undefined
        if (isDisposed || hasSwitched || isLost || !isRegistryError(error, 'STORAGE')) throw error
        await replace(error)
        return readCurrent(buffer, position)
      }
    },
    lend: reader.lend && lendCurrent,
    // Who fails over has another reader already.
    reread: undefined,
    async [Symbol.asyncDispose]() {
      isDisposed = true
      await current[Symbol.asyncDispose]()
    },
  } satisfies WrappedReader

  async function lendCurrent(position: number): Promise<LentBytes | undefined> {
    if (hasSwitched) return undefined
    const lent = await reader.lend!(position)
    if (lent !== undefined) returned(position, lent.bytes.length)
    return lent
  }

  async function readCurrent(buffer: Buffer, position: number): Promise<number> {
    const count = await current.read(buffer, position)
    returned(position, count)
    return count
  }

  function returned(position: number, count: number): void {
    start ??= position
    end = Math.max(end, position + count)
  }

  async function replace(reason: RegistryError): Promise<void> {
    hasSwitched = true
    const opened = await reopen()
    if (opened === undefined) throw reason
    const other = isInMemory(opened) ? contentReader(opened) : opened
    try {
      if (isDisposed || other.descriptor.size !== reader.descriptor.size) throw reason
      if (start !== undefined) await compare(reader.reread!.bind(reader), other, start, end)
    } catch (error) {
      await other[Symbol.asyncDispose]()
      throw error
    }
    current = other
    await reader[Symbol.asyncDispose]()
  }
}

/** @throws RegistryError UPSTREAM_INVALID when the bytes from `start` to `end` are not the same. */
async function compare(
  reread: NonNullable<BlobReader['reread']>,
  other: BlobReader,
  start: number,
  end: number,
): Promise<void> {
  const [given, right] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)]
  for (let position = start; position < end;) {
    const count = await other.read(right.subarray(0, Math.min(PIECE, end - position)), position)
    if (count === 0) throw differs(other, position)
    for (let at = 0; at < count;) {
      const again = await reread(given.subarray(0, count - at), position + at)
      if (again === 0 || !given.subarray(0, again).equals(right.subarray(at, at + again))) {
        throw differs(other, position + at)
      }
      at += again
    }
    position += count
  }
}

function differs({ descriptor: { digest } }: BlobReader, position: number): RegistryError {
  const reason = 'bytes that were sent before are not those of the blob'
  return new RegistryError('UPSTREAM_INVALID', { digest, reason, position })
}

function contentReader({ descriptor, bytes }: Content): BlobReader {
  return {
    descriptor,
    read: async (buffer, position) => bytes.copy(buffer, 0, Math.min(position, bytes.length)),
    async [Symbol.asyncDispose]() {},
  }
}
