import type { Repository } from '../ports/repository.ts'

/**
 * A repository that asks upstream only as long as `isLimited` says no; then it has what is stored. What is
 * left of a rate limit is for pulls.
 */
export function sparing(live: Repository, stored: Repository, isLimited: () => boolean): Repository {
  const now = () => (isLimited() ? stored : live)
  return {
    name: live.name,
    manifests: { get: (digest, options) => now().manifests.get(digest, options) },
    blobs: {
      stat: (digest, options) => now().blobs.stat(digest, options),
      open: (digest, options) => now().blobs.open(digest, options),
    },
    tags: {
      resolve: (tag, options) => now().tags.resolve(tag, options),
      list: (page, options) => now().tags.list(page, options),
    },
    referrers: { list: (digest, options) => now().referrers.list(digest, options) },
  }
}
