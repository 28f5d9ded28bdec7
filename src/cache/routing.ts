import type { RepositoryName } from '../oci/reference.ts'
import type { Address } from '../ports/repository.ts'

export interface Destination {
  readonly name: string
  /** Other names that clients use for it, in `ns` or as first path segment. */
  readonly aliases: readonly string[]
  /** Host headers that select it. */
  readonly hosts: readonly string[]
}

export type Router = (address: Address) => RepositoryName | undefined

const DOCKER_HUB = 'docker.io'
const DOCKER_HUB_ALIASES = ['index.docker.io', 'registry-1.docker.io']

/**
 * Selects the upstream of a request by `ns`, else the Host header, else the first path segment, else the
 * default. The address selects among `destinations` only: no part of it is ever resolved or dialled.
 *
 * @returns a function that returns undefined for an `ns` that is not configured
 */
export function router(destinations: readonly Destination[], defaultUpstream: string): Router {
  const byName = new Map<string, string>()
  const byHost = new Map<string, string>()
  for (const { name, aliases, hosts } of destinations) {
    for (const key of [name, ...aliases, ...(name === DOCKER_HUB ? DOCKER_HUB_ALIASES : [])])
      byName.set(key, name)
    for (const host of hosts) byHost.set(host, name)
  }

  return ({ namespace, host, name }) => {
    if (namespace !== undefined) {
      const upstream = byName.get(namespace.toLowerCase())
      return upstream === undefined ? undefined : inUpstream(upstream, name)
    }
    const fromHost = host === undefined ? undefined : (byHost.get(host) ?? byHost.get(withoutPort(host)))
    if (fromHost !== undefined) return inUpstream(fromHost, name)
    const slash = name.indexOf('/')
    const fromPath = slash < 0 ? undefined : byName.get(name.slice(0, slash))
    return fromPath === undefined
      ? inUpstream(defaultUpstream, name)
      : inUpstream(fromPath, name.slice(slash + 1))
  }
}

/** Docker Hub's official images are in `library/`, which its users do not write. */
function inUpstream(upstream: string, name: string): RepositoryName {
  return { upstream, name: upstream === DOCKER_HUB && !name.includes('/') ? `library/${name}` : name }
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}
