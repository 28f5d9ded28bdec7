import { authorityFile, type CacheForClients, type ClientSetup, ownFile } from './client-setup.ts'

/**
 * Read after registries.conf, whose entries of the same prefix it replaces (containers-registries.conf.d(5)).
 */
export const REGISTRIES_CONF = '/etc/containers/registries.conf.d/50-entrepot.conf'

/** podman, buildah and skopeo. They read the file each time. */
export function podmanSetup(cache: CacheForClients): ClientSetup {
  return { ...registriesConf(cache), commands: [] }
}

/** CRI-O reads what podman does. */
export function crioSetup(cache: CacheForClients): ClientSetup {
  return { ...registriesConf(cache), commands: ['systemctl reload crio'] }
}

/** These clients send no `ns`, so that the path names the registry. */
function registriesConf(cache: CacheForClients): Omit<ClientSetup, 'commands'> {
  const { url, registries } = cache
  const entries = registries.flatMap(({ name, path }) =>
    path === undefined
      ? []
      : [
          '[[registry]]',
          `prefix = "${name}"`,
          `location = "${name}"`,
          '',
          '[[registry.mirror]]',
          `location = "${url.host}/${path}"`,
          ...(url.protocol === 'http:' ? ['insecure = true'] : []),
          '',
        ],
  )
  const unnamed = registries.filter(({ path }) => path === undefined)
  return {
    files: [
      ownFile(REGISTRIES_CONF, entries.join('\n')),
      ...authorityFile(`/etc/containers/certs.d/${url.host}/ca.crt`, cache),
    ],
    notes: unnamed.map(
      ({ name }) => `${name} has a port, which a path cannot have: give the upstream an alias without one`,
    ),
  }
}
