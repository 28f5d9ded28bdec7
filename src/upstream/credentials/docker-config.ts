import { jsonObject, type JsonObject, parseJsonObject } from '../../util/json-object.ts'
import { type Credentials, credentialsOf } from './credentials.ts'

/** The part of Docker's config.json that concerns one registry. */
export interface DockerConfigEntry {
  /** The helper for this registry. Nothing else is asked. */
  readonly helper?: string
  /** The helper for all registries, which may not know this one. */
  readonly store?: string
  readonly credentials?: Credentials
}

/** Docker's own name for Docker Hub. */
const HUB = 'https://index.docker.io/v1/'
const HUB_HOSTS = new Set(['index.docker.io', 'docker.io', 'registry-1.docker.io'])

/** The name under which config.json and credential helpers know the registry at `url`. */
export function serverName(url: URL): string {
  return HUB_HOSTS.has(url.host) ? HUB : url.host
}

/**
 * Reads `auths`, `credHelpers` and `credsStore` for the registry at `url`. Keys are hosts or, in files of
 * older versions, URLs. podman's keys with a namespace never match: they are for other programs.
 *
 * @returns undefined when `text` is not a config.json.
 */
export function parseDockerConfig(text: string, url: URL): DockerConfigEntry | undefined {
  const config = parseJsonObject(text)
  if (config === undefined) return undefined
  const helper = helperName(entryFor(url, config['credHelpers']))
  const store = helperName(config['credsStore'])
  const credentials = credentialsIn(jsonObject(entryFor(url, config['auths'])) ?? {})
  return { ...(helper && { helper }), ...(store && { store }), ...(credentials && { credentials }) }
}

function entryFor(url: URL, table: unknown): unknown {
  const name = serverName(url)
  return Object.entries(jsonObject(table) ?? {}).find(([key]) => {
    const host = key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '')
    return (HUB_HOSTS.has(host) ? HUB : host) === name
  })?.[1]
}

function helperName(value: unknown): string | undefined {
  return typeof value === 'string' && /^[a-z\d][\w.-]*$/i.test(value) ? value : undefined
}

/** `auth` is base64 of `username:password`. `identitytoken` takes precedence over its password. */
function credentialsIn({ auth, username, password, identitytoken }: JsonObject) {
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identityToken: identitytoken }
  if (typeof auth === 'string' && auth !== '') {
    const [, name, secret] = /^([^:]+):(.+?)\0*$/s.exec(Buffer.from(auth, 'base64').toString()) ?? []
    return name === undefined || secret === undefined ? undefined : credentialsOf(name, secret)
  }
  return typeof username === 'string' && typeof password === 'string' && password !== ''
    ? credentialsOf(username, password)
    : undefined
}
