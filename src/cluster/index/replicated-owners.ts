import type { EndpointOwners } from '../../ports/endpoint-owners.ts'
import { ignoreAway } from '../ignore-away.ts'
import type { SharedOwners } from './shared-owners.ts'

/**
 * The owners of all replicas: which endpoint answers for a name is the same on each. The database decides. A copy
 * of what it has said is kept here, and counts while it is away.
 */
export function replicatedOwners(local: EndpointOwners, shared: SharedOwners): EndpointOwners {
  return {
    async get(repository, thing) {
      const url = await shared.get(repository, thing).catch(ignoreAway)
      if (url === undefined) return local.get(repository, thing)
      await local.set(repository, thing, url)
      return url
    },
    async set(repository, thing, url, replaced) {
      await local.set(repository, thing, url)
      await shared.claim(repository, thing, url, replaced).catch(ignoreAway)
    },
  }
}
