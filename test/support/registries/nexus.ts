import type { Answer } from '../fake-upstream/wire.ts'
import { heads } from './heads.ts'
import { type Dialect, type Layer, partsOf } from './layer.ts'
import { pages } from './pages.ts'
import { noReferrers } from './referrers.ts'
import { wantsLogin } from './tokens.ts'

const login = { username: 'reader', password: 'secret' }

/** https://github.com/GoogleContainerTools/kaniko/issues/298 */
function plainManifests(): Layer {
  return (request, next): Answer => {
    const answer = next(request)
    if (partsOf(request.target)?.kind !== 'manifests' || answer.status !== 200) return answer
    return { ...answer, headers: { ...answer.headers, 'Content-Type': 'application/json' } }
  }
}

/**
 * Nexus 3: Basic, HEAD of a manifest is a page of HTML (https://github.com/andrey-pohilko/registry-cli/issues/14), manifests as
 * `application/json`, an absolute `Link` with a path that this port does not serve
 * (https://github.com/sonatype/nexus-public/issues/1011), tags in the order of upload, no referrers API.
 */
export function nexus(): Dialect {
  return {
    name: 'Nexus',
    login,
    layers: [
      wantsLogin(login, 'Sonatype Nexus Repository Manager'),
      heads({ manifests: { status: 404, html: true } }),
      noReferrers('html 404'),
      pages({
        size: 100,
        cursor: { parameter: 'last', opaque: true },
        order: (tags) => tags.toReversed(),
        link: (path, query, { url }) => `${url}/repository/docker-proxy${path}?${query}`,
      }),
      plainManifests(),
    ],
  }
}
