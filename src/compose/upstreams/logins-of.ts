import type { Config } from '../../config/load-config.ts'
import type { LoginOf } from '../../observe/why/why.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { patternFor } from '../../upstream/credentials/repository-credentials.ts'

type UpstreamConfig = Config['upstreams'][string]

/** Tells which of the configured credentials a repository is read with. */
export function loginsOf(upstreams: Config['upstreams']): (repository: RepositoryName) => LoginOf {
  const patterns = new Map(
    Object.values(upstreams).map(({ name, credentials = [] }) => [
      name,
      patternFor(credentials.map(({ match }) => match)),
    ]),
  )
  return ({ upstream, name }) => {
    const pattern = patterns.get(upstream)?.(name)
    return { pattern, isConfigured: pattern !== undefined || hasOwnLogin(upstreams[upstream]!) }
  }
}

/** Whether it has credentials for repositories that have none of their own. */
export function hasOwnLogin({
  login,
  credentialHelper,
  dockerConfig,
  cloud,
}: Pick<UpstreamConfig, 'login' | 'credentialHelper' | 'dockerConfig' | 'cloud'>): boolean {
  return (login ?? credentialHelper ?? dockerConfig ?? cloud) !== undefined
}
