import { isIP } from 'node:net'
import { parseJsonObject } from '../util/json-object.ts'
import { authorityFile, type CacheForClients, type ClientFile, type ClientSetup } from './client-setup.ts'
import { type ClientVersion, isAtLeast } from './client-version.ts'
import { hostsFiles } from './hosts-toml.ts'

export const DAEMON_JSON = '/etc/docker/daemon.json'
const HUB = 'docker.io'
export const DOCKER_CERTS_D = '/etc/docker/certs.d'

/**
 * Docker mirrors Docker Hub by `registry-mirrors`. From version 29 on, where images are kept by containerd,
 * it also reads a hosts.toml for every registry (moby daemon/hosts.go); an older one ignores these files.
 */
export function dockerSetup(cache: CacheForClients, version: ClientVersion | undefined): ClientSetup {
  const readsHosts = version === undefined || isAtLeast(version, [29, 0])
  const authority = `${DOCKER_CERTS_D}/${cache.url.host}/ca.crt`
  const options = {
    withReferrers: version !== undefined && isAtLeast(version, [29, 1]),
    ...(cache.ca !== undefined && { authority }),
  }
  return {
    files: [
      daemonJson(cache),
      ...(readsHosts ? hostsFiles(DOCKER_CERTS_D, cache, options) : []),
      ...authorityFile(authority, cache),
    ],
    commands: ['systemctl restart docker'],
    notes: [
      ...otherDefault(cache),
      ...(version !== undefined && isAtLeast(version, [29, 0]) ? [] : [olderDocker(cache)]),
    ],
  }
}

/** Docker asks a mirror for `library/alpine`, and not of which registry. */
function otherDefault({ defaultRegistry = HUB }: CacheForClients): readonly string[] {
  if (defaultRegistry === HUB) return []
  return [
    `this cache takes names without a registry for ${defaultRegistry}, and Docker asks a mirror for Docker Hub's ` +
      'images by such names: set defaultUpstream: docker.io in its configuration',
  ]
}

function olderDocker({ url, registries }: CacheForClients): string {
  const other = registries.find(({ name, path }) => name !== HUB && path !== undefined)
  const example = other === undefined ? '' : `: pull ${url.host}/${other.path}/…, or update Docker`
  return `Docker before version 29 has mirrors for Docker Hub only${example}`
}

function daemonJson({ url }: CacheForClients): ClientFile {
  return {
    path: DAEMON_JSON,
    content(current) {
      const empty = current === undefined || current.trim() === ''
      const settings = empty ? {} : parseJsonObject(current)
      if (settings === undefined) throw new Error(`${DAEMON_JSON} is not a JSON object: repair it first`)
      const wanted = {
        ...settings,
        'registry-mirrors': withFirst(settings['registry-mirrors'], url.origin),
        ...(!isTrusted(url) && {
          'insecure-registries': withFirst(settings['insecure-registries'], url.host),
        }),
      }
      const isUnchanged = JSON.stringify(wanted) === JSON.stringify(settings)
      return isUnchanged ? current! : `${JSON.stringify(wanted, undefined, 2)}\n`
    },
  }
}

function withFirst(list: unknown, first: string): readonly unknown[] {
  const others = Array.isArray(list) ? (list as unknown[]) : []
  const isThere = others.some((other) => String(other).replace(/\/+$/, '') === first)
  return isThere ? others : [first, ...others]
}

/** Docker speaks plain HTTP to the loopback without being told. */
function isTrusted({ protocol, hostname }: URL): boolean {
  if (protocol === 'https:' || hostname === 'localhost') return true
  return isIP(hostname) === 4 && hostname.startsWith('127.')
}
