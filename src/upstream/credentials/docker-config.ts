import { type Credentials, credentialsOf } from './credentials.ts'

/** What Docker's config.json says about one registry. */
export interface DockerConfigEntry {
  /** The helper for this registry, and nothing else is asked. */
  readonly helper?: string
  /** The helper for all registries, which need not have this one. */
  readonly store?: string
  readonly credentials?: Credentials
}

/** What Docker knows Docker Hub by. */
const HUB = 'https://index.docker.io/v1/'
const HUB_HOSTS = new Set(['index.docker.io', 'docker.io', 'registry-1.docker.io'])

/** What config.json and credential helpers know the registry at `url` by. */
export function serverName(url: URL): string {
  return HUB_HOSTS.has(url.host) ? HUB : url.host
}

/**
 * Reads `auths`, `credHelpers` and `credsStore` for the registry at `url`. Keys may be written as hosts or, as older versions
 * did, as URLs; podman's keys with a namespace are for other programs, and never matched.
 *
 * @returns undefined when `text` is no such file.
 */
export function parseDockerConfig(text: string, url: URL): DockerConfigEntry | undefined {
  const config = parseObject(text)
  if (config === undefined) return undefined
  const helper = helperName(entryFor(url, config['credHelpers']))
  const store = helperName(config['credsStore'])
  const credentials = credentialsIn(objectOf(entryFor(url, config['auths'])))
  return { ...(helper && { helper }), ...(store && { store }), ...(credentials && { credentials }) }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function entryFor(url: URL, table: unknown): unknown {
  const name = serverName(url)
  return Object.entries(objectOf(table)).find(([key]) => {
    const host = key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '')
    return (HUB_HOSTS.has(host) ? HUB : host) === name
  })?.[1]
}

function helperName(value: unknown): string | undefined {
  return typeof value === 'string' && /^[a-z\d][\w.-]*$/i.test(value) ? value : undefined
}

/** `auth` is base64 of `username:password`; with `identitytoken` its password does not count. */
function credentialsIn({ auth, username, password, identitytoken }: Readonly<Record<string, unknown>>) {
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identityToken: identitytoken }
  if (typeof auth === 'string' && auth !== '') {
    const [, name, secret] = /^([^:]+):(.+?)\0*$/s.exec(Buffer.from(auth, 'base64').toString()) ?? []
    return name === undefined || secret === undefined ? undefined : credentialsOf(name, secret)
  }
  return typeof username === 'string' && typeof password === 'string' && password !== ''
    ? credentialsOf(username, password)
    : undefined
}
