/** What the first segment of a name may be, and the upstream that it means. */
export type UpstreamNames = ReadonlyMap<string, string>

/** An upstream, and the other names that clients use for it. */
export interface NamedUpstream {
  readonly name: string
  readonly aliases: readonly string[]
}

/** Names that clients use for an upstream without configuration. */
export const IMPLIED_ALIASES: ReadonlyMap<string, readonly string[]> = new Map([
  ['docker.io', ['index.docker.io', 'registry-1.docker.io']],
])

/**
 * The names and aliases of upstreams. A name alone is of one that need not be configured, as of what is stored: it
 * hides nothing of those that are.
 */
export function upstreamNames(upstreams: Iterable<string | NamedUpstream>): UpstreamNames {
  const all = [...upstreams]
  const configured = all.filter((one) => typeof one !== 'string')
  return new Map([
    ...all.flatMap((one) => {
      const name = typeof one === 'string' ? one : one.name
      return [name, ...(IMPLIED_ALIASES.get(name) ?? [])].map((known) => [known, name] as const)
    }),
    ...configured.flatMap(({ name, aliases }) => aliases.map((alias) => [alias, name] as const)),
    // No alias hides the name of another one.
    ...configured.map(({ name }) => [name, name] as const),
  ])
}
