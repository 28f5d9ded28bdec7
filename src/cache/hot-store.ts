import { LRUCache } from 'lru-cache'
import type { Content, Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import type { BlobIngest, BlobReader, BlobStore } from '../ports/blob-store.ts'

export interface HotStore extends BlobStore {
  /** What is in memory. Counts as a hit. */
  recall(digest: Digest): Content | undefined
  /** Lets go of everything. */
  clear(): void
}

export interface HotStoreOptions {
  /** Told of what was served from memory, since the store did not see it. */
  readonly used: (digest: Digest, hit: boolean) => void
  /** Removes content that turned out to be damaged. */
  readonly discard: (digest: Digest) => Promise<void>
  /** Of all content in memory, in bytes. */
  readonly budget?: number
}

/** Manifests and configs are about this long at most; a layer is better read from the disk. Bytes. */
const LARGEST = 64 * 1024
/** What an entry takes besides its bytes, roughly. */
const OVERHEAD = 512

/**
 * `store` with its small content in memory as well: opening, measuring, reading and closing a file takes several times as long
 * as all the rest of answering a manifest. It is hashed when it is read: what is damaged is discarded, and a miss.
 */
export function hotStore(store: BlobStore, options: HotStoreOptions): HotStore {
  const { used, discard, budget = 32 * 1024 * 1024 } = options
  const hot = new LRUCache<Digest, Content>({
    maxSize: budget,
    sizeCalculation: ({ bytes }) => bytes.length + OVERHEAD,
  })
  /** Changes with everything that may make what is being read outdated. */
  let generation = 0
  const forget = (digest: Digest): void => {
    generation += 1
    hot.delete(digest)
  }

  function recall(digest: Digest): Content | undefined {
    const content = hot.get(digest)
    if (content !== undefined) used(digest, true)
    return content
  }

  return {
    recall,
    async stat(digest, options) {
      const content = hot.get(digest)
      if (content === undefined) return store.stat(digest, options)
      used(digest, false)
      return content.descriptor
    },
    async open(digest, options) {
      const content = recall(digest)
      if (content !== undefined) return new HotReader(content)
      const before = generation
      const stored = await store.open(digest, options)
      if (stored === undefined || stored.descriptor.size > LARGEST) return stored
      await using _ = stored
      const read = await readWhole(stored)
      if (!isIntact(read)) {
        await discard(digest)
        return undefined
      }
      if (generation === before) hot.set(digest, read)
      return new HotReader(read)
    },
    async ingest(expected) {
      return publishing(await store.ingest(expected), () => forget(expected.digest))
    },
    async delete(...digests) {
      digests.forEach(forget)
      await store.delete(...digests)
      digests.forEach(forget)
    },
    clear() {
      generation += 1
      hot.clear()
    },
  }
}

async function readWhole(stored: BlobReader): Promise<Content> {
  const { descriptor } = stored
  const bytes = Buffer.allocUnsafeSlow(descriptor.size)
  let at = 0
  for (let count; at < bytes.length; at += count) {
    count = await stored.read(bytes.subarray(at), at)
    if (count === 0) break
  }
  return { descriptor, bytes: bytes.subarray(0, at) }
}

function isIntact({ descriptor, bytes }: Content): boolean {
  return digestOf(bytes, descriptor.digest) === descriptor.digest
}

/** A class, because an object literal with a computed key costs V8 more than the rest of an answer from memory. */
class HotReader implements BlobReader {
  readonly descriptor: Descriptor
  readonly whole: Buffer

  constructor({ descriptor, bytes }: Content) {
    this.descriptor = descriptor
    this.whole = bytes
  }

  async read(buffer: Buffer, position: number): Promise<number> {
    return this.whole.copy(buffer, 0, Math.min(position, this.whole.length))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What is stored anew may be of another media type. */
function publishing(ingest: BlobIngest, published: () => void): BlobIngest {
  return {
    filled: ingest.filled,
    write: (chunk, position, size) => ingest.write(chunk, position, size),
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    async commit() {
      const descriptor = await ingest.commit()
      published()
      return descriptor
    },
    keep: () => ingest.keep(),
    [Symbol.asyncDispose]: () => ingest[Symbol.asyncDispose](),
  }
}
