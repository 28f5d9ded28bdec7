import type { Config } from '../config/load-config.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { glob } from '../util/glob.ts'

/** Says who may pull from a repository, by `access` of the configuration. */
export function describeAccess({
  access: { networks, rules, htpasswd, oidc },
  listen: { tls },
}: Pick<Config, 'access' | 'listen'>): (repository: RepositoryName) => string {
  const from = networks === undefined ? '' : ` from ${networks.join(', ')}`
  const canLogIn = htpasswd !== undefined || oidc !== undefined || tls?.clientCa !== undefined

  return ({ upstream, name }) => {
    if (rules === undefined) return `${canLogIn ? 'everybody with a login' : 'everybody'}${from}`
    const path = `${upstream}/${name}`
    // Only the first rule for an identity decides, so a later one for everyone may not reach whom it says.
    const allowed = rules.flatMap(({ identity, repositories }, i) =>
      repositories.some((pattern) => glob(pattern)(path))
        ? [`${identity ?? (i === 0 ? 'everybody' : 'everybody else')} (access.rules[${i}])`]
        : [],
    )
    return allowed.length === 0 ? 'nobody: no rule of access.rules lists it' : `${allowed.join(', ')}${from}`
  }
}
