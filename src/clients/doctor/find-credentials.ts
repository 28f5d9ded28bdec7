import { jsonObject, parseJsonObject } from '../../util/json-object.ts'
import type { Machine } from './machine.ts'

export interface OwnCredentials {
  readonly file: string
  /** As images name it. */
  readonly registry: string
}

/** Registries for which somebody on this machine has credentials of their own. */
export async function findCredentials(machine: Machine): Promise<readonly OwnCredentials[]> {
  const homes = (await machine.list('/home')).map((name) => `/home/${name}`)
  const files = [
    ...['/root', ...homes].map((home) => `${home}/.docker/config.json`),
    '/var/lib/kubelet/config.json',
    '/run/containers/0/auth.json',
    '/etc/containers/auth.json',
  ]
  const found = await Promise.all(
    files.map(async (file) => {
      const settings = parseJsonObject((await machine.read(file)) ?? '')
      const named = ['auths', 'credHelpers'].flatMap((key) => Object.keys(jsonObject(settings?.[key]) ?? {}))
      return [...new Set(named.map(registryOf))].map((registry) => ({ file, registry }))
    }),
  )
  return found.flat()
}

/** Docker writes Docker Hub as `https://index.docker.io/v1/`. */
function registryOf(key: string): string {
  const host = key.replace(/^https?:\/\//, '').split('/')[0]!
  return /^(?:index|registry-1)\.docker\.io$/.test(host) ? 'docker.io' : host
}
