import { Database } from '../../cluster/database.ts'
import { sharedLinks, type SharedLinks } from '../../cluster/index/shared-links.ts'
import { sharedTags, type SharedTags } from '../../cluster/index/shared-tags.ts'
import type { IndexConfig } from '../../config/storage.ts'

export interface SharedIndex extends AsyncDisposable {
  readonly links: SharedLinks
  readonly tags: SharedTags
}

/** Opens the index that replicas share, for a command. */
export function openSharedIndex({ postgres, password }: IndexConfig, now: () => number): SharedIndex {
  const database = new Database({ url: postgres, password, asked() {}, now })
  return {
    links: sharedLinks(database),
    tags: sharedTags(database),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}
