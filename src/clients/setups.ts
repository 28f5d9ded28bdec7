import { buildkitSetup } from './buildkit.ts'
import type { CacheForClients, ClientSetup } from './client-setup.ts'
import type { ClientVersion } from './client-version.ts'
import { containerdSetup } from './containerd.ts'
import { crioSetup, podmanSetup } from './containers.ts'
import { dockerSetup } from './docker.ts'
import { k3sSetup } from './k3s.ts'

interface Client {
  setup(cache: CacheForClients, version: ClientVersion | undefined): ClientSetup
  /** A command that prints the version, where the configuration depends on it. */
  readonly versionFrom?: readonly [program: string, ...args: string[]]
}

/** The clients that Entrepot can set up, by the name of `entrepot setup NAME`. */
export const CLIENTS: Readonly<Record<string, Client>> = {
  docker: { setup: dockerSetup, versionFrom: ['dockerd', '--version'] },
  containerd: { setup: containerdSetup, versionFrom: ['containerd', '--version'] },
  k3s: { setup: k3sSetup },
  podman: { setup: podmanSetup },
  crio: { setup: crioSetup },
  buildkit: { setup: buildkitSetup },
}
