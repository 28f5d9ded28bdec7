import { LRUCache } from 'lru-cache'
import type { TagEntry, TagIndex, TagUses } from '../ports/metadata.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { contentKey } from './keys.ts'

export interface HotTags extends TagIndex {
  /** As `get`, of what is in memory. */
  recall(repository: RepositoryName, tag: string): TagEntry | undefined
  /** Lets go of everything. */
  clear(): void
}

const REMEMBERED = 20_000

/** `tags` with those seen last in memory. Whoever else removes tags has to have it cleared. */
export function hotTags(tags: TagIndex & TagUses): HotTags {
  const hot = new LRUCache<string, TagEntry>({ max: REMEMBERED })
  /** Changes with everything that may make what is being read outdated. */
  let generation = 0

  async function changing<T>(change: Promise<T>, forget: () => void): Promise<T> {
    try {
      return await change
    } finally {
      generation += 1
      forget()
    }
  }

  function recall(repository: RepositoryName, tag: string): TagEntry | undefined {
    const entry = hot.get(contentKey(repository, tag))
    if (entry !== undefined) tags.use(repository, tag)
    return entry
  }

  return {
    recall,
    async get(repository, tag) {
      const known = recall(repository, tag)
      if (known !== undefined) return known
      const before = generation
      const entry = await tags.get(repository, tag)
      if (entry !== undefined && generation === before) hot.set(contentKey(repository, tag), entry)
      return entry
    },
    set: (repository, tag, entry) =>
      changing(tags.set(repository, tag, entry), () => hot.delete(contentKey(repository, tag))),
    remove: (repository, tag) =>
      changing(tags.remove(repository, tag), () => hot.delete(contentKey(repository, tag))),
    removeUnusedSince: (instant) => changing(tags.removeUnusedSince(instant), () => hot.clear()),
    clear() {
      generation += 1
      hot.clear()
    },
  }
}
