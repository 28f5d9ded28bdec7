import type { Answer } from '../fake-upstream/wire.ts'
import { empty, type Dialect, type Layer, partsOf } from './layer.ts'
import { pages } from './pages.ts'
import { wantsToken } from './tokens.ts'

/** Blobs are redirected to a path of the same host, which needs no token. */
function downloads(): Layer {
  return (request, next): Answer => {
    const stored = /^\/artifacts-downloads\/(.+)\/(sha\d+:[0-9a-f]+)$/.exec(request.target)
    if (stored !== null) return next({ ...request, target: `/v2/${stored[1]}/blobs/${stored[2]}` })
    const parts = partsOf(request.target)
    if (parts?.kind !== 'blobs') return next(request)
    const answer = next(request)
    if (answer.status >= 400 && answer.status !== 416) return answer
    return empty(302, { Location: `/artifacts-downloads/${parts.repository}/${parts.reference}` })
  }
}

/**
 * Google Artifact Registry: all tags at once, between a map of manifests and the names of child repositories
 * (https://github.com/google/go-containerregistry/issues/897); tokens from `/v2/token`; blobs from another path of the host.
 */
export function gar(): Dialect {
  return {
    name: 'GAR',
    layers: [
      wantsToken({ path: '/v2/token', service: 'docker.pkg.dev.example' }),
      pages({ extra: { child: ['app/child'], manifest: { 'sha256:0': { tag: ['not-a-tag'] } } } }),
      downloads(),
    ],
  }
}
