import type { RepositoryName } from '../oci/reference.ts'
import type { Address } from '../ports/repository.ts'
import { upstreamNames } from '../oci/upstream-names.ts'

export interface Destination {
  readonly name: string
  /** Other names that clients use for it, in `ns` or as first path segment. */
  readonly aliases: readonly string[]
  /** Host headers that select it. */
  readonly hosts: readonly string[]
}

export type Router = (address: Address) => RepositoryName | undefined

const DOCKER_HUB = 'docker.io'

/**
 * Selects the upstream of a request by `ns`, else the Host header, else the first path segment, else the
 * default. The address selects among `destinations` only: no part of it is ever resolved or dialled.
 *
 * A first segment that names the upstream of `ns` or Host is folded: containerd's `override_path`, a BuildKit
 * mirror with a path and a k3s rewrite send both. Without `ns`, a name in Docker Hub that begins with another
 * registry is refused: its names have no dots there, and a rule about `library/app` must not be passed by as
 * `docker.io/library/app`.
 *
 * @returns a function that returns undefined for an `ns`, or a registry in the name, that is not configured
 */
export function router(destinations: readonly Destination[], defaultUpstream: string): Router {
  const byName = upstreamNames(destinations)
  const byHost = new Map<string, string>()
  for (const { name, hosts } of destinations) for (const host of hosts) byHost.set(host, name)

  return ({ namespace, host, name }) => {
    const first = firstSegment(name)
    const fromPath = first === undefined ? undefined : byName.get(first)
    if (namespace !== undefined) {
      const upstream = byName.get(namespace.toLowerCase())
      if (upstream === undefined) return undefined
      return inUpstream(upstream, fromPath === upstream ? withoutFirst(name) : name)
    }
    const isByHost = host !== undefined && byHost.size > 0
    const fromHost = isByHost ? (byHost.get(host) ?? byHost.get(withoutPort(host))) : undefined
    const upstream = fromHost ?? fromPath ?? defaultUpstream
    const isFolded = fromPath === upstream
    const remaining = isFolded ? withoutFirst(name) : name
    const isElsewhere = upstream === DOCKER_HUB && isRegistry(isFolded ? firstSegment(remaining) : first)
    return isElsewhere ? undefined : inUpstream(upstream, remaining)
  }
}

/** Whether the first segment of a name is a registry, as Docker reads it: one with a dot or a port. */
function isRegistry(first: string | undefined): boolean {
  return first !== undefined && /[.:]/.test(first)
}

/** Undefined where the name has one segment only. */
function firstSegment(name: string): string | undefined {
  const slash = name.indexOf('/')
  return slash < 0 ? undefined : name.slice(0, slash)
}

function withoutFirst(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}

/** Docker Hub's official images are in `library/`, which its users do not write. */
function inUpstream(upstream: string, name: string): RepositoryName {
  return { upstream, name: upstream === DOCKER_HUB && !name.includes('/') ? `library/${name}` : name }
}

/** The name by which clients ask for a repository: the inverse of what the router makes of it. */
export function writtenName({ upstream, name }: RepositoryName): string {
  return upstream === DOCKER_HUB ? name.replace(/^library\/(?=[^/]+$)/, '') : name
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}
