import type { Digest } from '../../src/oci/digest.ts'
import type {
  ContentInventory,
  InventoryOptions,
  LinkIndex,
  ReferenceIndex,
  StoredContent,
  TagEntry,
  TagHistory,
  TagPast,
  TagIndex,
  TagUses,
} from '../../src/ports/metadata.ts'
import { IntervalSet } from '../../src/util/interval-set.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import type { BlobIngest, BlobReader, BlobStore, ExpectedContent } from '../../src/ports/blob-store.ts'
import { RunningHash } from '../../src/storage/blobs/running-hash.ts'
import { TAG_CHANGES } from '../../src/storage/index/tags/tag-changes.ts'
import { changesIn, type HistoryRow, stretchesIn } from '../../src/storage/index/tags/tag-past.ts'

export interface MemoryStore {
  readonly blobs: BlobStore<BlobReader>
  readonly inventory: ContentInventory
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex & TagUses & TagHistory & TagPast
}

interface InspectableStore extends MemoryStore {
  referencesOf(manifest: Digest): readonly Digest[]
}

interface Content {
  readonly bytes: Buffer
  readonly mediaType: string
  readonly storedAt: number
  lastUsed: number
  vanished: boolean
}

interface Part {
  bytes: Buffer
  readonly filled: IntervalSet
}

const SMALL = 65_536

/** A store that forgets everything when the process ends. `now`: epoch milliseconds. */
export function memoryStore(now: () => number = Date.now): InspectableStore {
  const contents = new Map<Digest, Content>()
  /** By origin and digest. */
  const parts = new Map<string, Part>()
  /** Media types by repository. */
  const links = new Map<Digest, Map<string, string | undefined>>()
  const references = new Map<Digest, readonly Digest[]>()
  const tags = new Map<string, TagEntry & { lastUsed: number }>()
  /** The newest first. */
  const changes = new Map<string, readonly HistoryRow[]>()

  const used = (digest: Digest): Content | undefined => {
    const content = contents.get(digest)
    if (content !== undefined) content.lastUsed = now()
    return content
  }

  const blobs: BlobStore<BlobReader> = {
    async stat(digest) {
      const content = used(digest)
      return content && { mediaType: content.mediaType, digest, size: content.bytes.length }
    },
    async open(digest) {
      const content = used(digest)
      if (content === undefined) return undefined
      const { bytes, mediaType } = content
      return {
        descriptor: { mediaType, digest, size: bytes.length },
        read: async (buffer, position) => bytes.copy(buffer, 0, Math.min(position, bytes.length)),
        async [Symbol.asyncDispose]() {},
      }
    },
    async ingest(expected) {
      const key = partKey(expected)
      const part = parts.get(key) ?? { bytes: Buffer.alloc(0), filled: new IntervalSet() }
      parts.delete(key)
      return memoryIngest(expected, part)
    },
    async delete(...digests) {
      for (const digest of digests) {
        contents.delete(digest)
        links.delete(digest)
        references.delete(digest)
      }
    },
  }

  return {
    blobs,
    inventory: {
      async usage() {
        const bytes = [...contents.values()].reduce((sum, content) => sum + content.bytes.length, 0)
        const disk = {
          totalBytes: Infinity,
          freeBytes: Infinity,
          totalInodes: Infinity,
          freeInodes: Infinity,
        }
        return { objects: contents.size, bytes, indexBytes: 0, partialBytes: 0, runningBytes: 0, disk }
      },
      use(digest) {
        const content = contents.get(digest)
        if (content !== undefined) content.lastUsed = now()
      },
      olderThan: async (instant, by, options) =>
        pick((content) => (by === 'fetch' ? content.storedAt : content.lastUsed) < instant, options),
      async longestUnused(options) {
        const some = (vanished: boolean) => [
          ...pick((content) => content.vanished === vanished && content.bytes.length >= SMALL, options),
          ...pick((content) => content.vanished === vanished && content.bytes.length < SMALL, options),
        ]
        const replaceable = some(false)
        return replaceable.length > 0 ? replaceable : some(true)
      },
    },
    links: {
      has: async (repository, digest) => links.get(digest)?.has(keyOf(repository)) ?? false,
      isLinked: async (digest) => (links.get(digest)?.size ?? 0) > 0,
      knows: async (upstream, digest) =>
        [...(links.get(digest)?.keys() ?? [])].some((key) => key.startsWith(`${upstream} `)),
      async add(repository, digest, mediaType) {
        const known = links.get(digest) ?? new Map<string, string | undefined>()
        const key = keyOf(repository)
        links.set(digest, known.set(key, known.get(key) ?? mediaType))
      },
      mediaType: async (repository, digest) => links.get(digest)?.get(keyOf(repository)),
    },
    referencesOf: (manifest) => references.get(manifest) ?? [],
    references: {
      has: async (manifest) => references.has(manifest),
      async record(manifest, digests) {
        if (contents.has(manifest) && !references.has(manifest)) references.set(manifest, [...digests])
      },
    },
    tags: {
      async get(repository, tag) {
        const entry = tags.get(keyOf(repository, tag))
        if (entry === undefined) return undefined
        entry.lastUsed = now()
        const { lastUsed: _, ...found } = entry
        return found
      },
      use(repository, tag) {
        const entry = tags.get(keyOf(repository, tag))
        if (entry !== undefined) entry.lastUsed = now()
      },
      async set(repository, tag, entry) {
        const { digest, checkedAt, goneAt } = entry
        const key = keyOf(repository, tag)
        const before = changes.get(key) ?? []
        tags.set(key, { ...entry, lastUsed: now() })
        const content = contents.get(digest)
        if (content !== undefined) content.vanished = goneAt !== undefined
        if (goneAt !== undefined) return end(key, goneAt)
        if (before[0]?.digest === digest && before[0].endedAt === null) return
        const all = [{ at: checkedAt, digest, endedAt: null }, ...before]
        changes.set(key, all.length > TAG_CHANGES ? withoutSecond(all) : all)
      },
      async remove(repository, tag) {
        const entry = tags.get(keyOf(repository, tag))
        const content = entry && contents.get(entry.digest)
        if (content !== undefined) content.vanished = true
        tags.delete(keyOf(repository, tag))
        end(keyOf(repository, tag), now())
      },
      async removeUnusedSince(instant) {
        const old = [...tags].filter(([, { lastUsed }]) => lastUsed < instant)
        for (const [key] of old) tags.delete(key)
        for (const [key, seen] of changes) {
          const rest = tags.has(key) ? seen : seen.filter(({ at }) => at >= instant)
          if (rest.length === 0) changes.delete(key)
          else changes.set(key, rest)
        }
        return old.length
      },
      history: async (repository, tag) => changesIn(changes.get(keyOf(repository, tag)) ?? []),
      past: async (repository, tag) => stretchesIn(changes.get(keyOf(repository, tag)) ?? []),
    },
  }

  function end(key: string, at: number): void {
    const [last, ...before] = changes.get(key) ?? []
    if (last?.endedAt === null) changes.set(key, [{ ...last, endedAt: at }, ...before])
  }

  function pick(
    isWanted: (content: Content) => boolean,
    { limit, except, keep = () => false }: InventoryOptions,
  ): readonly StoredContent[] {
    return [...contents]
      .filter(([digest, content]) => isWanted(content) && !except.has(digest))
      .map(([digest, { bytes, lastUsed }]) => {
        const of = [...(links.get(digest)?.keys() ?? [])].map((key) => key.slice(0, key.indexOf(' ')))
        return { digest, size: bytes.length, lastUsed, upstreams: [...new Set(of)] }
      })
      .filter(({ upstreams }) => !upstreams.some(keep))
      .toSorted((a, b) => a.lastUsed - b.lastUsed)
      .slice(0, limit)
  }

  function memoryIngest(expected: ExpectedContent, part: Part): BlobIngest {
    const { digest, mediaType = OCTET_STREAM } = expected
    const { filled } = part
    const read = async (buffer: Buffer, position: number) =>
      part.bytes.copy(buffer, 0, position, filled.filledFrom(position))
    const hash = new RunningHash(digest, filled, read)
    let verified: number | undefined

    return {
      filled,
      read,
      async write(chunk, position) {
        const end = position + chunk.length
        const before = filled.size
        if (end > part.bytes.length)
          part.bytes = Buffer.concat([part.bytes], Math.max(end, 2 * part.bytes.length))
        for (
          let gap = filled.firstGap(position, end);
          gap !== undefined;
          gap = filled.firstGap(position, end)
        ) {
          const missing = chunk.subarray(gap.start - position, gap.end - position)
          part.bytes.set(missing, gap.start)
          hash.add(missing, gap.start)
          filled.add(gap.start, gap.end)
        }
        return filled.size - before
      },
      async verify(size) {
        await hash.finish(size)
        verified = size
      },
      async commit() {
        if (verified === undefined) throw new Error('committed before it was verified')
        const known = contents.get(digest)
        const type = known === undefined || known.mediaType === OCTET_STREAM ? mediaType : known.mediaType
        const bytes = part.bytes.subarray(0, verified)
        const [storedAt, lastUsed] = [known?.storedAt ?? now(), known?.lastUsed ?? now()]
        contents.set(digest, {
          bytes,
          mediaType: type,
          storedAt,
          lastUsed,
          vanished: known?.vanished ?? false,
        })
        for (const key of parts.keys()) if (key.endsWith(digest)) parts.delete(key)
        return { mediaType: type, digest, size: verified }
      },
      async keep() {
        if (!contents.has(digest)) parts.set(partKey(expected), part)
      },
      async [Symbol.asyncDispose]() {},
    }
  }
}

function partKey({ digest, origin = '' }: ExpectedContent): string {
  return `${origin} ${digest}`
}

function keyOf({ upstream, name }: RepositoryName, tag = ''): string {
  return `${upstream} ${name} ${tag}`
}

/** What followed the first sight is forgotten first. */
function withoutSecond(rows: readonly HistoryRow[]): readonly HistoryRow[] {
  const first = rows.at(-1)!
  const second = rows.at(-2)!
  return [...rows.slice(0, -2), { ...first, endedAt: first.endedAt ?? second.at }]
}
