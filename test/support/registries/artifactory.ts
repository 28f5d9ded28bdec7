import { heads } from './heads.ts'
import type { Dialect } from './layer.ts'
import { pages } from './pages.ts'
import { noReferrers } from './referrers.ts'
import { wantsToken } from './tokens.ts'

const login = { username: 'reader', password: 'an-identity-token' }

/**
 * Artifactory: a login for tokens, `Link` without the name of the repository that was asked
 * (https://github.com/renovatebot/renovate/issues/35917, https://github.com/renovatebot/renovate/issues/15080), no referrers API,
 * and a HEAD of a blob that says `Content-Length: 0` (https://github.com/yusing/godoxy/issues/169).
 */
export function artifactory(): Dialect {
  return {
    name: 'Artifactory',
    login,
    layers: [
      wantsToken({ path: '/artifactory/api/docker/docker/v2/token', service: 'artifactory.example', login }),
      noReferrers('404'),
      pages({ size: 120, link: (path, query) => `${path.replace(/^\/v2\/[^/]+\//, '/v2/')}?${query}` }),
      heads({ blobs: { headers: { 'Content-Length': '0' } } }),
    ],
  }
}
