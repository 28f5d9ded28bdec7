import type { Dialect } from './layer.ts'
import { pages } from './pages.ts'
import { redirectsBlobs, storage } from './storage.ts'
import { wantsToken } from './tokens.ts'

/**
 * An Azure container registry: tag lists want `metadata_read` and nothing else
 * (https://github.com/Azure/acr/issues/676, https://github.com/Azure/acr/issues/600), tokens are called `access_token`
 * (https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md), 100 tags a page, blobs from a storage account.
 */
export function acr(): Dialect {
  const scope = (repository: string, kind: string) =>
    kind === 'tags' ? `repository:${repository}:metadata_read` : `repository:${repository}:pull`
  return {
    name: 'ACR',
    layers: [
      wantsToken({
        path: '/oauth2/token',
        service: 'registry.azurecr.example',
        scope,
        field: 'access_token',
      }),
      pages({ size: 100, most: 100 }),
      redirectsBlobs({ status: 307 }),
    ],
    beside: storage(),
  }
}
