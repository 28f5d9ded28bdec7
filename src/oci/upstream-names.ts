/** What the first segment of a name may be, and the upstream that it means. */
export type UpstreamNames = ReadonlyMap<string, string>

/** An upstream, and the other names that clients use for it. */
export interface NamedUpstream {
  readonly name: string
  readonly aliases: readonly string[]
}

const DOCKER_HUB = 'docker.io'
const DOCKER_HUB_ALIASES = ['index.docker.io', 'registry-1.docker.io']

/** The names and aliases of upstreams. A name without more has no alias of its own. */
export function upstreamNames(upstreams: Iterable<string | NamedUpstream>): UpstreamNames {
  const all = Array.from(upstreams, (one) => (typeof one === 'string' ? { name: one, aliases: [] } : one))
  return new Map([
    ...all.flatMap(({ name, aliases }) => {
      const common = name === DOCKER_HUB ? DOCKER_HUB_ALIASES : []
      return [...aliases, ...common].map((alias) => [alias, name] as const)
    }),
    // No alias hides the name of another one.
    ...all.map(({ name }) => [name, name] as const),
  ])
}
