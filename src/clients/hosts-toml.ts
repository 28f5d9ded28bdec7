import { type CacheForClients, type ClientFile, type MirroredRegistry, ownFile } from './client-setup.ts'

export interface HostsTomlOptions {
  /**
   * The cache is asked for referrers too: only containerd 2.2 and later know the word, and others refuse the
   * file.
   */
  readonly withReferrers: boolean
  /** The path of the file with the authority of the cache. */
  readonly authority?: string
}

/**
 * A hosts.toml: `server` is asked when the cache does not answer. Left out, it is the registry of that name.
 */
export function hostsToml(url: URL, server: string | undefined, options: HostsTomlOptions): string {
  const { withReferrers, authority } = options
  const capabilities = withReferrers ? '["pull", "resolve", "referrers"]' : '["pull", "resolve"]'
  return [
    ...(server === undefined ? [] : [`server = "${server}"`, '']),
    `[host."${url.origin}"]`,
    `capabilities = ${capabilities}`,
    ...(authority === undefined ? [] : [`ca = "${authority}"`]),
    '',
  ].join('\n')
}

/** A hosts.toml for each registry, in `folder`. */
export function hostsFiles(
  folder: string,
  { url, registries }: CacheForClients,
  options: HostsTomlOptions,
): readonly ClientFile[] {
  return registries.map(({ name, server }: MirroredRegistry) =>
    ownFile(`${folder}/${name}/hosts.toml`, hostsToml(url, server, options)),
  )
}
