import type { Dialect } from './layer.ts'
import { pages } from './pages.ts'
import { noReferrers } from './referrers.ts'
import { redirectsBlobs, storage } from './storage.ts'
import { wantsToken } from './tokens.ts'

/**
 * ghcr.io: no referrers API (https://github.com/oras-project/oras-java/issues/773), answered by a page that wants a login
 * (https://github.com/oras-project/oras-go/issues/633); pages of at most 1,000 tags whose `Link` says `n=0` where the client
 * named no size; blobs from another host.
 */
export function ghcr(): Dialect {
  return {
    name: 'GHCR',
    layers: [
      wantsToken({ path: '/token', service: 'ghcr.io' }),
      noReferrers('login'),
      pages({ size: 100, most: 1000, linkedSize: () => 0 }),
      redirectsBlobs({ status: 307 }),
    ],
    beside: storage(),
  }
}
