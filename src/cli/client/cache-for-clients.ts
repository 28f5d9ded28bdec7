import type { CacheForClients, MirroredRegistry } from '../../clients/client-setup.ts'
import { registryUrl } from '../../config/registry-url.ts'
import { PUBLIC_REGISTRIES } from '../../config/schema/public-registries.ts'
import type { Status } from '../../ports/insight/insight.ts'
import { type CommandOptions, type Invocation, UsageError } from '../command.ts'
import { adminClient } from './admin-client.ts'
import { JSON_OPTION, SERVER_OPTIONS } from './server-options.ts'
import { readAuthorities, serverGiven } from './server-given.ts'

/** The options that say which cache is meant. */
export const CACHE_OPTIONS = {
  json: JSON_OPTION,
  registry: {
    type: 'string',
    value: 'URL',
    says: 'where clients reach the cache; omitted: where the process listens, by the name of its machine',
  },
  ...SERVER_OPTIONS,
} as const satisfies CommandOptions

/**
 * The cache that clients are to use: where `--registry` says, else where the server that `--server` names, or the
 * configuration, listens. Its registries are those of the same.
 *
 * @throws UsageError @throws ConfigError @throws Error when the server does not answer
 */
export async function cacheForClients(invocation: Invocation): Promise<CacheForClients> {
  const { options } = invocation
  const given = options['registry']?.toString()
  const url = given === undefined ? undefined : urlGiven(given)
  const server = serverGiven(invocation)
  const ca = options['ca'] === undefined ? {} : { ca: readAuthorities(options['ca'].toString()) }
  if (server !== undefined) {
    const { upstreams, registry, defaultUpstream } = await adminClient(server).json<Status>(
      'GET',
      'upstreams',
    )
    return {
      url: url ?? listeningAt(registry),
      registries: upstreams.flatMap(({ name }) => registryNamed({ name })),
      defaultRegistry: defaultUpstream,
      ...ca,
    }
  }
  const config = await invocation.config()
  return {
    url: url ?? listeningAt(registryUrl(config.listen)),
    registries: Object.values(config.upstreams).flatMap(registryNamed),
    defaultRegistry: config.defaultUpstream,
    ...ca,
  }
}

function urlGiven(text: string): URL {
  const url = URL.parse(text)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`
  if (!isPlain) throw new UsageError('--registry must be a URL such as http://cache.internal:5000')
  return url
}

/** @throws Error when it listens on any free port */
function listeningAt(url: string | null | undefined): URL {
  if (typeof url !== 'string')
    throw new Error('listen.port is 0: say with --registry where clients reach the cache')
  return new URL(url)
}

interface Named {
  readonly name: string
  readonly url?: string
  readonly aliases?: readonly string[]
}

/** None when images cannot name it as their registry: that takes a dot or a port. */
function registryNamed({ name, url, aliases = [] }: Named): readonly MirroredRegistry[] {
  if (!/[.:]/.test(name)) return []
  const isOwn = url !== undefined && new URL(url).host === name
  const known = PUBLIC_REGISTRIES.get(name)?.url
  const path = [name, ...aliases].find((one) => !one.includes(':'))
  return [{ name, server: known ?? (isOwn ? url : `https://${name}`), path }]
}
