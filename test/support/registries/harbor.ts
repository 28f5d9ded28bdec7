import { heads } from './heads.ts'
import type { Dialect } from './layer.ts'
import { pages } from './pages.ts'
import { ignoresArtifactType } from './referrers.ts'
import { wantsToken } from './tokens.ts'

/**
 * A proxy project of Harbor: tokens from `/service/token`, HEAD of a blob that it has not fetched yet is 404
 * (https://github.com/goharbor/harbor/issues/22609), pages of 100 tags, referrers unfiltered.
 */
export function harbor(): Dialect {
  const extra = { access_token: '', expires_in: 1800, issued_at: '2026-11-01T00:00:00Z' }
  return {
    name: 'Harbor',
    layers: [
      wantsToken({ path: '/service/token', service: 'harbor-registry', extra }),
      heads({ blobs: { status: 404 } }),
      ignoresArtifactType(),
      pages({ size: 100, most: 100 }),
    ],
  }
}
