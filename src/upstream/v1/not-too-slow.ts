import { RegistryError } from '../../oci/errors.ts'

export interface NotTooSlowOptions {
  readonly upstream: string
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** Milliseconds of waiting for chunks, and the bytes that must come in them: 1 KiB/s. */
const WINDOW = 30_000
const LEAST = 30 * 1024

/**
 * The same chunks, as long as they are worth their place: a byte now and then keeps any other timeout away. The
 * time that the reader takes for itself does not count.
 *
 * @throws RegistryError UPSTREAM_TIMEOUT
 */
export function notTooSlow(
  chunks: AsyncIterator<Buffer>,
  { upstream, now }: NotTooSlowOptions,
): AsyncIterator<Buffer> {
  let waited = 0
  let bytes = 0
  return {
    async next() {
      const since = now()
      const result = await chunks.next()
      if (result.done === true) return result
      waited += now() - since
      bytes += result.value.length
      if (waited < WINDOW) return result
      if (bytes < LEAST)
        throw new RegistryError('UPSTREAM_TIMEOUT', { upstream, reason: 'less than 1 KiB/s of a layer came' })
      waited = bytes = 0
      return result
    },
    return: async () => (await chunks.return?.()) ?? { done: true, value: undefined },
  }
}
