import type { RepositoryName } from '../../oci/reference.ts'
import type { TagIndex, TagUses } from '../../ports/metadata.ts'
import { type KnownTag, sizeOfTag } from './memory-facts.ts'
import { ReadThrough } from './read-through.ts'
import { tagKeys } from './tag-keys.ts'

export interface TagMemory {
  readonly index: TagIndex
  /** The entry was changed in the store, past this memory. */
  forget(repository: RepositoryName, tag: string): void
  forgetAll(): void
}

export interface TagMemoryOptions {
  readonly maxBytes: number
  /** Milliseconds. */
  readonly maxAge: number
  /** Monotonic milliseconds. */
  readonly now: (() => number) | undefined
}

/** Too long to be served without upstream. */
const LONG_AGO = 0
/** Milliseconds between two uses of a tag that the store is told. It forgets tags after days. */
const USES_APART = 1000

/**
 * The tags of a store, with a part of them in memory. Moving or removing a tag forgets it; what the store cannot
 * take in, on a full disk, is kept here, so that the tag does not go back. Removing unused tags forgets all.
 */
export function tagMemory(store: TagIndex & TagUses, { maxBytes, maxAge, now }: TagMemoryOptions): TagMemory {
  const tags = new ReadThrough<string, KnownTag>({
    maxBytes,
    maxAge,
    ...(now && { now }),
    sizeOf: sizeOfTag,
  })
  const keyOf = tagKeys()
  const clock = now ?? (() => performance.now())

  const index: TagIndex = {
    get(repository, tag) {
      const key = keyOf(repository, tag)
      const known = tags.get(key)
      if (known === undefined) {
        return tags.read(
          key,
          () => store.get(repository, tag),
          (entry) => entry && { entry, toldAt: clock() },
        )
      }
      const time = clock()
      if (time - known.toldAt >= USES_APART) {
        known.toldAt = time
        store.use(repository, tag)
      }
      return known.entry
    },
    async set(repository, tag, entry) {
      const key = keyOf(repository, tag)
      await store.set(repository, tag, entry).catch((error: unknown) => {
        tags.put(key, { entry, toldAt: clock() })
        throw error
      })
      tags.forget(key)
    },
    async remove(repository, tag) {
      const key = keyOf(repository, tag)
      const known = tags.get(key)
      await store.remove(repository, tag).catch((error: unknown) => {
        if (known !== undefined) tags.put(key, { ...known, entry: { ...known.entry, checkedAt: LONG_AGO } })
        throw error
      })
      tags.forget(key)
    },
    removeUnusedSince: (instant, keep) =>
      store.removeUnusedSince(instant, keep).finally(() => tags.forgetAll()),
  }

  return {
    index,
    forget: (repository, tag) => tags.forget(keyOf(repository, tag)),
    forgetAll: () => tags.forgetAll(),
  }
}
