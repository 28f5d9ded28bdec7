import type { Dialect, Layer } from './layer.ts'
import { pages } from './pages.ts'
import { redirectsBlobs, storage } from './storage.ts'
import { givesTokens, wantsToken } from './tokens.ts'

const tokens = { path: '/jwt/auth', beside: true, service: 'container_registry' }
const GET_ONLY = { getOnly: true }

/** GitLab itself and the object storage behind it stand on one port here. */
const gitlabAndStorage: Layer = (request, next, place) =>
  givesTokens(tokens)(request, (other) => storage(GET_ONLY)(other, next, place), place)

/**
 * A GitLab container registry: tokens from `/jwt/auth` of GitLab, another host
 * (https://docs.gitlab.com/administration/packages/container_registry/), that say no lifetime
 * (https://github.com/goharbor/harbor/issues/23753); 100 tags a page; blobs behind URLs that are signed for GET.
 */
export function gitlab(): Dialect {
  return {
    name: 'GitLab',
    layers: [wantsToken(tokens), pages({ size: 100, most: 1000, beyond: 400 }), redirectsBlobs()],
    beside: gitlabAndStorage,
  }
}
