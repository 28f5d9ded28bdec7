import type { Dialect } from './layer.ts'
import { pages } from './pages.ts'
import { redirectsBlobs, storage } from './storage.ts'
import { wantsToken } from './tokens.ts'

/**
 * quay.io: 50 tags a page, `next_page` as the only cursor and `last` ignored
 * (https://github.com/regclient/regclient/issues/272, https://github.com/deitch/docker_registry2/issues/56); more than 100 were
 * refused for a while (https://github.com/akuity/kargo/pull/2186); tokens without a lifetime
 * (https://github.com/goharbor/harbor/issues/23753).
 */
export function quay(): Dialect {
  const cursor = { parameter: 'next_page', opaque: true }
  return {
    name: 'Quay',
    layers: [
      wantsToken({ path: '/v2/auth', service: 'quay.io' }),
      pages({ size: 50, most: 100, beyond: 400, cursor, ignoresLast: true }),
      redirectsBlobs({ status: 302 }),
    ],
    beside: storage(),
  }
}
