import type { RepositoryName } from '../oci/reference.ts'
import type { Referrers, ReferrersService } from '../ports/repository.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import { contentKey } from './keys.ts'
import type { ShortTermCache } from './lists.ts'

/** Who refers to a manifest, from upstream. undefined = upstream has no referrers API; clients then look for the fallback tag. */
export function proxyReferrersService(
  answers: ShortTermCache<Referrers>,
): (repository: RepositoryName, upstream: UpstreamRepository) => ReferrersService {
  return (repository, upstream) => ({
    list: (digest, artifactType, read) =>
      answers.get(
        contentKey(repository, `${digest} ${artifactType ?? ''}`),
        () => upstream.referrers(digest, artifactType),
        read,
      ),
  })
}
