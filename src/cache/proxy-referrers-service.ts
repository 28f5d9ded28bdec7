import type { RepositoryName } from '../oci/reference.ts'
import type { ReferrerList } from '../oci/referrers.ts'
import type { ReferrersService } from '../ports/repository.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import { contentKey } from './keys.ts'
import { type ListFreshness, type ShortTermCache, shortTermCache } from './lists.ts'

/** Bytes. Most lists are a few hundred. */
const KEPT = 16 * 1024 * 1024

/**
 * Referrer lists in memory. An empty one is as short-lived as any other "does not exist", so that a signature
 * is seen soon after it was made, and in an outage it is no answer: "not signed" must not be said by who
 * could not find out.
 */
export function referrerLists({
  lists,
  negative,
  staleIfError,
  asking,
  now,
}: ListFreshness): ShortTermCache<ReferrerList> {
  return shortTermCache({
    fresh: (list) => (isEmpty(list) ? Math.min(negative, lists) : lists),
    staleIfError: (list) => (isEmpty(list) ? 0 : staleIfError),
    sizeOf: ({ bytes }) => bytes,
    maxBytes: KEPT,
    asking,
    now,
  })
}

const isEmpty = ({ referrers }: ReferrerList): boolean => referrers.length === 0

/** Who refers to a manifest, from upstream, whole: filtering is done where the answer is written. */
export function proxyReferrersService(
  answers: ShortTermCache<ReferrerList>,
): (repository: RepositoryName, upstream: UpstreamRepository) => ReferrersService {
  return (repository, upstream) => ({
    async list(digest, read) {
      const list = await answers.get(contentKey(repository, digest), () => upstream.referrers(digest), read)
      return list!
    },
  })
}
