import { join } from 'node:path'
import { PUBLIC_REGISTRIES } from '../schema/public-registries.ts'
import { duration } from '../schema/quantities.ts'
import { counterpartOf } from './counterparts.ts'

export interface Migration {
  /** Entrepot's configuration: the keys that say the same. */
  readonly config: Readonly<Record<string, unknown>>
  /** One line for each key that has no counterpart, and for each thing to do by hand. */
  readonly notes: readonly string[]
}

export interface Registry2Proxy {
  /** As images name it: `docker.io`. */
  readonly upstream: string
  readonly url: string
}

type Tree = Readonly<Record<string, unknown>>

/** The variable that the password is read from, so that no secret is printed. */
const PASSWORD = 'REGISTRY_PROXY_PASSWORD'
/** What registry:2 keeps without `proxy.ttl`, from when it was fetched. */
const DEFAULT_TTL = '7d'
const FOR_EVER = '36500d'

/** Writes a registry:2 configuration, as parsed YAML, as one of this program. */
export function migrateRegistry2(tree: Tree): Migration {
  const notes: string[] = []
  const used = new Set<string>()
  const take = (path: string): unknown => {
    const value = valueAt(tree, path)
    if (value !== undefined) used.add(path)
    return value
  }
  const config = withoutEmpty({
    listen: { ...address(take('http.addr')), tls: tls(take, notes) },
    admin: address(take('http.debug.addr')),
    access: { htpasswd: take('auth.htpasswd.path') },
    storage: { root: root(take('storage.filesystem.rootdirectory'), notes) },
    cache: ttl(take('proxy.ttl'), tree, notes),
    log: log(take),
    ...upstreams(take, notes),
  })
  if (valueAt(tree, 'proxy') === undefined)
    notes.push('proxy is missing: this was no cache, and Entrepot takes no pushes')
  for (const path of leaves(tree)) {
    if ([...used].some((key) => path === key || path.startsWith(`${key}.`))) continue
    notes.push(`${path} ${counterpartOf(path.split('.')) ?? 'is not a key of registry:2'}`)
  }
  return { config, notes }
}

/** Which registry a registry:2 is a proxy of; undefined when it is none. */
export function proxyOf(tree: Tree): Registry2Proxy | undefined {
  const url = URL.parse(String(valueAt(tree, 'proxy.remoteurl') ?? ''))
  if (url === null) return undefined
  const known = [...PUBLIC_REGISTRIES].find(([, registry]) => new URL(registry.url).host === url.host)
  return { upstream: known?.[0] ?? url.host, url: url.origin }
}

/** The folder of its store. */
export function rootDirectoryOf(tree: Tree): string {
  return String(valueAt(tree, 'storage.filesystem.rootdirectory') ?? '/var/lib/registry')
}

function upstreams(take: (path: string) => unknown, notes: string[]): Tree {
  const proxy = proxyOf({ proxy: { remoteurl: take('proxy.remoteurl') } })
  if (proxy === undefined) return {}
  const { upstream, url } = proxy
  const username = take('proxy.username')
  const hasPassword = take('proxy.password') !== undefined
  if (hasPassword) notes.push(`proxy.password is read from the environment: set ${PASSWORD}`)
  const isImplied = (PUBLIC_REGISTRIES.get(upstream)?.url ?? `https://${upstream}`) === url
  const entry = {
    ...(!isImplied && { url }),
    ...(username !== undefined && username !== '' && { username }),
    ...(hasPassword && { password: `\${${PASSWORD}}` }),
  }
  return { defaultUpstream: upstream, upstreams: { [upstream]: entry } }
}

/** `:5000` is every address. */
function address(value: unknown): Tree {
  const [, host = '', port] = /^(.*):(\d+)$/.exec(String(value ?? '')) ?? []
  if (port === undefined) return {}
  return { ...(host !== '' && { host: host.replace(/^\[(.*)\]$/, '$1') }), port: Number(port) }
}

function tls(take: (path: string) => unknown, notes: string[]): Tree {
  const authorities = take('http.tls.clientcas')
  const [clientCa, ...others] = Array.isArray(authorities) ? (authorities as unknown[]) : []
  if (others.length > 0) notes.push(`http.tls.clientcas ${counterpartOf(['http', 'tls', 'clientcas'])}`)
  return { cert: take('http.tls.certificate'), key: take('http.tls.key'), clientCa }
}

/** On the same file system, so that `adopt` can link, and where registry:2 does not look. */
function root(value: unknown, notes: string[]): string | undefined {
  if (value === undefined) return undefined
  notes.push(
    `storage.filesystem.rootdirectory stays as it is: take it over with \`entrepot adopt ${String(value)}\``,
  )
  return join(String(value), 'entrepot')
}

function ttl(value: unknown, tree: Tree, notes: string[]): Tree {
  if (valueAt(tree, 'proxy') === undefined) return {}
  if (value === undefined) return { ttl: DEFAULT_TTL, ttlFrom: 'fetch' }
  const milliseconds = goDuration(String(value))
  if (milliseconds === undefined) {
    notes.push(`proxy.ttl is ${JSON.stringify(value)}, which is no duration: ${DEFAULT_TTL} is taken`)
    return { ttl: DEFAULT_TTL, ttlFrom: 'fetch' }
  }
  return { ttl: milliseconds === 0 ? FOR_EVER : duration.format(milliseconds), ttlFrom: 'fetch' }
}

const GO_UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** Milliseconds. A number alone is nanoseconds, as Go has it. @returns undefined when it is none */
function goDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Math.floor(Number(text) / 1_000_000)
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)]
  if (parts.map(([part]) => part).join('') !== text || text === '') return undefined
  return Math.round(parts.reduce((sum, [, count, unit]) => sum + Number(count) * GO_UNITS[unit!]!, 0))
}

function log(take: (path: string) => unknown): Tree {
  const level = take('log.level') ?? take('loglevel')
  const formatter = take('log.formatter')
  const isOff = take('log.accesslog.disabled')
  return {
    level,
    format: formatter === undefined ? undefined : formatter === 'text' ? 'pretty' : 'json',
    access: isOff === true ? false : undefined,
  }
}

function valueAt(tree: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (isTree(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      tree,
    )
}

/** Paths of what is no mapping. */
function leaves(value: unknown, path: readonly string[] = []): readonly string[] {
  if (!isTree(value)) return path.length === 0 ? [] : [path.join('.')]
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]))
}

/** Without what is undefined, and mappings that have nothing else. */
function withoutEmpty(tree: Tree): Tree {
  const entries = Object.entries(tree).flatMap(([key, value]) => {
    const kept = isTree(value) && key !== 'upstreams' ? withoutEmpty(value) : value
    const isEmpty = kept === undefined || (isTree(kept) && Object.keys(kept).length === 0)
    return isEmpty ? [] : [[key, kept] as const]
  })
  return Object.fromEntries(entries)
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
