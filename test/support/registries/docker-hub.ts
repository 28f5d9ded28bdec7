import type { Answer } from '../fake-upstream/wire.ts'
import { type Dialect, type Layer, partsOf } from './layer.ts'
import { redirectsBlobs, storage } from './storage.ts'
import { wantsToken } from './tokens.ts'

/** Only a GET of a manifest counts: https://docs.docker.com/docker-hub/usage/pulls/ */
function counted(): Layer {
  let left = 100
  return (request, next): Answer => {
    const answer = next(request)
    if (partsOf(request.target)?.kind !== 'manifests' || answer.status !== 200) return answer
    if (request.method === 'GET') left = Math.max(20, left - 1)
    const limits = { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': `${left};w=21600` }
    return { ...answer, headers: { ...answer.headers, ...limits, 'Docker-RateLimit-Source': '192.0.2.1' } }
  }
}

/**
 * registry-1.docker.io: anonymous tokens with `expires_in` and `issued_at`
 * (https://distribution.github.io/distribution/spec/auth/token/), limits in headers, blobs from a CDN, all tags at once.
 */
export function dockerHub(): Dialect {
  const extra = { access_token: 'unused', expires_in: 300, issued_at: '2026-11-01T00:00:00Z' }
  return {
    name: 'Docker Hub',
    layers: [
      wantsToken({ path: '/token', service: 'registry.docker.io', extra }),
      counted(),
      redirectsBlobs({ status: 307 }),
    ],
    beside: storage(),
  }
}
