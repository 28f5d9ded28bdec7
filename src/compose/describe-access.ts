import { lists } from '../access/rules.ts'
import type { Config } from '../config/load-config.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { upstreamNames } from '../oci/upstream-names.ts'

/** Says who may pull from a repository, by `access` of the configuration. */
export function describeAccess({
  access: { networks, rules, htpasswd, oidc },
  listen: { tls },
  upstreams,
}: Pick<Config, 'access' | 'listen' | 'upstreams'>): (repository: RepositoryName) => string {
  const from = networks === undefined ? '' : ` from ${networks.join(', ')}`
  const canLogIn = htpasswd !== undefined || oidc !== undefined || tls?.clientCa !== undefined
  const names = upstreamNames(Object.values(upstreams))
  const compiled = rules?.map(({ identity, repositories }) => ({
    identity,
    lists: lists(repositories, names),
  }))

  return (repository) => {
    if (compiled === undefined) return `${canLogIn ? 'everybody with a login' : 'everybody'}${from}`
    // Only the first rule for an identity decides, so a later one for everyone may not reach whom it says.
    const allowed = compiled.flatMap((rule, i) =>
      rule.lists(repository)
        ? [`${rule.identity ?? (i === 0 ? 'everybody' : 'everybody else')} (access.rules[${i}])`]
        : [],
    )
    return allowed.length === 0 ? 'nobody: no rule of access.rules lists it' : `${allowed.join(', ')}${from}`
  }
}
