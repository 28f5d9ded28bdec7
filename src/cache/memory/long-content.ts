import { LRUCache } from 'lru-cache'
import type { Content } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { BlobReader } from '../../ports/blob-store.ts'
import { limiter } from '../../util/async/limiter.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import { readContent } from './read-content.ts'

/** Bytes of those that were read lately, and the milliseconds for which they are kept. */
const KEPT = 16 * 1024 * 1024
const KEPT_FOR = 5_000
/** Those that are read at the same time. */
const AT_ONCE = 4

/** Reads content, and disposes of its reader. `owner`: who asks. @returns as `readContent` does */
export type ReadLong = (reader: BlobReader, owner?: string) => Promise<Content | undefined>

/**
 * Reads content that is too long for the memory of small content. Those who ask for the same at the same time, or
 * within five seconds, share its bytes, and few are read at a time: a thousand clients that ask for a manifest of
 * 4 MiB would else have 4 GiB in memory (SEC-71).
 */
export function longContent(): ReadLong {
  const recent = new LRUCache<Digest, Content>({
    maxSize: KEPT,
    sizeCalculation: ({ bytes }) => bytes.length + 1,
    ttl: KEPT_FOR,
    ttlAutopurge: true,
  })
  const reading = singleFlight<Content | undefined>()
  const inTurn = limiter(AT_ONCE)

  return async (reader, owner) => {
    const { digest } = reader.descriptor
    const known = recent.get(digest)
    let isRead = false
    try {
      if (known !== undefined) return known
      const { value } = await reading.run(digest, () => {
        isRead = true
        return inTurn(() => readContent(reader), owner)
      })
      if (isRead && value !== undefined) recent.set(digest, value)
      return value
    } finally {
      if (!isRead) await reader[Symbol.asyncDispose]()
    }
  }
}
