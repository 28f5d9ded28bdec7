import type { Content } from '../oci/descriptor.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import { type BlobReader, isInMemory, type OpenedBlob } from '../ports/blob-store.ts'

/**
 * Reads from `reader` until the store fails, then continues at the same byte from the blob that `reopen`
 * opens. It switches once at most.
 *
 * `until`: `first byte` = does not switch once bytes were read, as they may have been wrong; `end` = switches
 * at any byte.
 */
export function failoverReader(
  reader: BlobReader,
  reopen: () => Promise<OpenedBlob | undefined>,
  until: 'first byte' | 'end',
): BlobReader {
  let current = reader
  let maySwitch = true
  let isDisposed = false

  return {
    descriptor: reader.descriptor,
    async read(buffer, position) {
      try {
        const count = await current.read(buffer, position)
        if (until === 'first byte') maySwitch = false
        return count
      } catch (error) {
        if (!maySwitch || !isRegistryError(error, 'STORAGE')) throw error
        await replace(error)
        return current.read(buffer, position)
      }
    },
    async [Symbol.asyncDispose]() {
      isDisposed = true
      await current[Symbol.asyncDispose]()
    },
  }

  async function replace(reason: RegistryError): Promise<void> {
    maySwitch = false
    const opened = await reopen()
    if (opened === undefined) throw reason
    const other = isInMemory(opened) ? contentReader(opened) : opened
    if (isDisposed || other.descriptor.size !== reader.descriptor.size) {
      await other[Symbol.asyncDispose]()
      throw reason
    }
    current = other
    await reader[Symbol.asyncDispose]()
  }
}

function contentReader({ descriptor, bytes }: Content): BlobReader {
  return {
    descriptor,
    read: async (buffer, position) => bytes.copy(buffer, 0, Math.min(position, bytes.length)),
    async [Symbol.asyncDispose]() {},
  }
}
