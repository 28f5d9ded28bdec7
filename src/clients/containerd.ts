import {
  authorityFile,
  type CacheForClients,
  type ClientFile,
  type ClientSetup,
  ownFile,
} from './client-setup.ts'
import { type ClientVersion, isAtLeast } from './client-version.ts'
import { hostsFiles, hostsToml } from './hosts-toml.ts'
import { readToml, setTomlKey } from './toml-edit.ts'

export const CONTAINERD_TOML = '/etc/containerd/config.toml'
export const CONTAINERD_CERTS_D = '/etc/containerd/certs.d'
const AUTHORITY = '/etc/containerd/entrepot-ca.crt'

/** The tables of the CRI plugin's registry, by the version of the configuration file. */
export const REGISTRY_TABLES: Readonly<Record<number, readonly string[]>> = {
  2: ['plugins', 'io.containerd.grpc.v1.cri', 'registry'],
  3: ['plugins', 'io.containerd.cri.v1.images', 'registry'],
}

/**
 * containerd reads a hosts.toml for each registry, and `_default` for all others, from the folder that
 * `config_path` names. It is one folder: with two of them, `_default` is not found (containerd#12636).
 */
export function containerdSetup(cache: CacheForClients, version: ClientVersion | undefined): ClientSetup {
  const options = {
    withReferrers: version !== undefined && isAtLeast(version, [2, 2]),
    ...(cache.ca !== undefined && { authority: AUTHORITY }),
  }
  return {
    files: [
      configToml(version),
      ...hostsFiles(CONTAINERD_CERTS_D, cache, options),
      ownFile(`${CONTAINERD_CERTS_D}/_default/hosts.toml`, hostsToml(cache.url, undefined, options)),
      ...authorityFile(AUTHORITY, cache),
    ],
    commands: ['systemctl restart containerd'],
    notes: [
      `ctr does not read config.toml: give it --hosts-dir ${CONTAINERD_CERTS_D}. crictl and the kubelet do.`,
    ],
  }
}

function configToml(version: ClientVersion | undefined): ClientFile {
  return {
    path: CONTAINERD_TOML,
    content(current = '') {
      const isEmpty = current.trim() === ''
      const fresh = version !== undefined && isAtLeast(version, [2, 0]) ? 3 : 2
      const text = isEmpty ? `version = ${fresh}\n` : current
      try {
        return setTomlKey(text, registryTable(text), 'config_path', CONTAINERD_CERTS_D)
      } catch (error) {
        throw new Error(`${CONTAINERD_TOML}: ${(error as Error).message}`, { cause: error })
      }
    },
  }
}

/** @throws Error when the format has none */
function registryTable(text: string): readonly string[] {
  const format = formatOf(text)
  const table = REGISTRY_TABLES[format]
  if (table !== undefined) return table
  throw new Error(`the file has version = ${format}: run \`containerd config migrate\` first`)
}

/** The version of the configuration file: 1 where it names none. */
export function formatOf(text: string): number {
  const { version } = readToml(text)
  return typeof version === 'number' ? version : 1
}
