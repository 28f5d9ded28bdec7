import { isRepositoryName } from '../../oci/reference.ts'
import { parseHost } from '../schema/scalars.ts'
import { PUBLIC_REGISTRIES } from '../schema/public-registries.ts'

/** Where images are pushed to. */
export interface DestinationAddress {
  /** The origin of the registry, `https://registry.site-b.example`. */
  readonly url: string
  /** What the names of repositories begin with there; empty: nothing. */
  readonly path: string
  readonly tokenRealms: readonly string[]
}

export const DESTINATION_MUST =
  'must be a registry and what names begin with there, [http://|https://]HOST[/PATH], such as registry.site-b.example/cache'

/**
 * Parses `[http://|https://]HOST[/PATH]`, https by default. The names of public registries are theirs:
 * `docker.io/me` is at registry-1.docker.io.
 */
export function parseDestination(text: string): DestinationAddress | undefined {
  const [, scheme = 'https', written = '', path = ''] =
    /^(?:(https?):\/\/)?([^/]+)(?:\/(.*?))?\/?$/.exec(text) ?? []
  const host = parseHost(written)
  if (host === undefined || (path !== '' && !isRepositoryName(path))) return undefined
  const known = PUBLIC_REGISTRIES.get(host)
  return {
    url: known?.url ?? new URL(`${scheme}://${host}`).origin,
    path,
    tokenRealms: known?.tokenRealms ?? [],
  }
}
