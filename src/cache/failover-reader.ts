import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { BlobReader } from '../ports/blob-store.ts'

/**
 * `reader` for as long as the store serves it; when that fails, on from the same byte with what `reopen` opens. `until`: whether
 * also after bytes were given, which may have been wrong ones where they were read from the store, or only before the first.
 */
export function survivingReader(
  reader: BlobReader,
  reopen: () => Promise<BlobReader | undefined>,
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
    const other = await reopen()
    if (other === undefined) throw reason
    if (isDisposed || other.descriptor.size !== reader.descriptor.size) {
      await other[Symbol.asyncDispose]()
      throw reason
    }
    current = other
    await reader[Symbol.asyncDispose]()
  }
}
