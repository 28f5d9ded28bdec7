import type { LoadFile } from '../files.ts'
import { HOST_MUST, parseHost } from '../schema/scalars.ts'
import type { KeyPath, Issues } from '../issues.ts'
import { PUBLIC_REGISTRIES } from '../schema/public-registries.ts'
import { type UpstreamEntries, type UpstreamEntry, WAY_KEYS } from '../schema/upstream-schema.ts'
import { IMPLIED_ALIASES } from '../../oci/upstream-names.ts'
import { checkRewrite } from '../rewrite.ts'
import { withFullPatterns } from './full-patterns.ts'
import { resolveWay, type Way } from './way.ts'

/** The keys that hold for all its endpoints, and are taken as they are written. */
const AS_WRITTEN = [
  'aliases',
  'hosts',
  'allow',
  'deny',
  'rewrite',
  'timeouts',
  'maxTransfers',
  'maxSize',
  'rate',
  'offline',
  'schema1',
  'search',
] as const
type AsWritten = Pick<UpstreamEntry, (typeof AS_WRITTEN)[number]>

/** Reached as itself says, or its first endpoint. */
export interface UpstreamConfig extends Way, AsWritten {
  /** The key in the file, in lower case. */
  readonly name: string
  /** Its addresses in the order in which they are asked, where it has several or speaks v1. */
  readonly endpoints?: readonly Way[]
}

export type Upstreams = Record<string, UpstreamConfig>

/** Completes the table: folds names, derives urls, reads files. Upstreams with an issue are left out. */
export async function resolveUpstreams(
  entries: Readonly<Record<string, UpstreamEntry>>,
  issues: Issues,
  load: LoadFile,
): Promise<Upstreams> {
  if (Object.keys(entries).length === 0 && !issues.has(['upstreams']))
    issues.add(issues.value(['upstreams'], 'must have at least one upstream'))
  refuseSharedNames(entries, issues)
  const upstreams: Upstreams = {}
  for (const [key, entry] of Object.entries(entries)) {
    const upstream = await issues.collect(() => resolveUpstream(key, entry, issues, load))
    if (upstream) upstreams[upstream.name] = upstream
  }
  return upstreams
}

/**
 * The upstream of requests that name none. `wanted` is a name or an alias; left out, it is the only upstream
 * that is given, else docker.io.
 *
 * @throws ConfigIssue
 */
export function resolveDefault(
  wanted: string | undefined,
  given: UpstreamEntries,
  upstreams: Upstreams,
  issues: Issues,
): string {
  const own = Object.entries(given).flatMap(([key, entry]) => (entry === false ? [] : [key]))
  const name = (wanted ?? (own.length === 1 ? own[0]! : 'docker.io')).toLowerCase()
  const found = Object.values(upstreams).find(
    (upstream) => upstream.name === name || upstream.aliases.includes(name),
  )
  if (found !== undefined) return found.name
  const names = Object.keys(upstreams)
  if (wanted === undefined && names.length === 1) return names[0]!
  throw issues.value(['defaultUpstream'], `must be one of the upstreams, ${names.join(', ')}`)
}

async function resolveUpstream(
  key: string,
  written: UpstreamEntry,
  issues: Issues,
  load: LoadFile,
): Promise<UpstreamConfig> {
  const at = ['upstreams', key]
  const name = nameOf(key, issues)
  const entry = withFullPatterns(name, written)
  const ways = await resolveWays(at, name, entry, issues, load)
  const { rewrite, schema1 } = entry
  const v1 = ways.findIndex(({ api }) => api === 'v1')
  if (v1 >= 0 && schema1 !== 'convert')
    throw issues.value(
      [...at, 'endpoints', v1, 'api'],
      'requires schema1: convert for this upstream: no client of today takes what it sends',
    )
  if (rewrite !== undefined) checkRewrite([...at, 'rewrite'], rewrite, issues)
  return {
    name,
    ...ways[0],
    ...((ways.length > 1 || v1 >= 0) && { endpoints: ways }),
    ...asWritten(entry),
  }
}

export function asWritten(entry: AsWritten): AsWritten {
  const given = AS_WRITTEN.filter((key) => entry[key] !== undefined).map((key) => [key, entry[key]])
  return Object.fromEntries(given) as AsWritten
}

/** Those of its endpoints, else its own. */
async function resolveWays(
  at: KeyPath,
  name: string,
  { endpoints, ...entry }: UpstreamEntry,
  issues: Issues,
  load: LoadFile,
): Promise<[Way, ...Way[]]> {
  const known = PUBLIC_REGISTRIES.get(name)
  // The token realms of a public registry are not those of a mirror at another url.
  const knownRealms = (entry.url === undefined && known?.tokenRealms) || []
  const own = async (): Promise<Way> => {
    const url = entry.url ?? known?.url ?? new URL(`https://${name}`).origin
    return resolveWay(at, url, entry, knownRealms, issues, load)
  }
  if (endpoints === undefined) return [await own()]
  const other = (['url', ...WAY_KEYS] as const).find((key) => entry[key] !== undefined)
  if (other !== undefined)
    throw issues.value([...at, other], 'cannot be combined with endpoints: say it of each of them')
  const ways: Way[] = []
  for (const [i, endpoint] of endpoints.entries()) {
    const key = [...at, 'endpoints', i]
    const { url, ...given } = typeof endpoint === 'string' ? { url: endpoint } : endpoint
    if (ways.some((way) => way.url === url))
      throw issues.value(key, `${url} is an endpoint of this upstream already`)
    ways.push(await resolveWay(key, url, given, [], issues, load))
  }
  const [first, ...others] = ways
  if (first === undefined) throw issues.value([...at, 'endpoints'], 'must have at least one endpoint')
  return [first, ...others]
}

function hint(owner: string): string {
  return PUBLIC_REGISTRIES.has(owner) ? ` (a built-in upstream is removed by \`${owner}: false\`)` : ''
}

/** A name or an alias selects one upstream, and so does a Host header. */
function refuseSharedNames(entries: Readonly<Record<string, UpstreamEntry>>, issues: Issues): void {
  const names = new Map<string, string>()
  const hosts = new Map<string, string>()
  const claim = (claims: Map<string, string>, wanted: string, key: string, at: KeyPath) => {
    const owner = claims.get(wanted) ?? key
    if (owner !== key) issues.add(issues.value(at, `upstreams.${owner} has that name already${hint(owner)}`))
    claims.set(wanted, key)
  }
  // Names first, so that the alias is reported, not the name.
  for (const key of Object.keys(entries)) {
    const name = parseHost(key)
    if (name === undefined) continue
    for (const own of [name, ...(IMPLIED_ALIASES.get(name) ?? [])]) claim(names, own, key, ['upstreams', key])
  }
  for (const [key, { aliases, hosts: own }] of Object.entries(entries)) {
    for (const [i, alias] of aliases.entries()) claim(names, alias, key, ['upstreams', key, 'aliases', i])
    for (const [i, host] of own.entries()) claim(hosts, host, key, ['upstreams', key, 'hosts', i])
  }
}

function nameOf(key: string, issues: Issues): string {
  const name = parseHost(key)
  if (name === undefined)
    throw issues.key(['upstreams', key], `is not a name for an upstream: it ${HOST_MUST}`)
  return name
}
