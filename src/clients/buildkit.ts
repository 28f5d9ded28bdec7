import { authorityFile, type CacheForClients, type ClientFile, type ClientSetup } from './client-setup.ts'
import { readToml, setTomlKey, valueAt } from './toml-edit.ts'

export const BUILDKITD_TOML = '/etc/buildkit/buildkitd.toml'
const AUTHORITY = '/etc/buildkit/entrepot-ca.crt'

/** BuildKit sends `ns`, as containerd does, so that every registry has the same mirror. */
export function buildkitSetup(cache: CacheForClients): ClientSetup {
  return {
    files: [buildkitdToml(cache), ...authorityFile(AUTHORITY, cache)],
    commands: [
      'systemctl restart buildkit',
      `# with buildx instead: docker buildx create --use --buildkitd-config ${BUILDKITD_TOML}`,
    ],
    notes: ["The builder inside dockerd uses Docker's own mirrors: `entrepot setup docker`."],
  }
}

function buildkitdToml({ url, registries, ca }: CacheForClients): ClientFile {
  return {
    path: BUILDKITD_TOML,
    content(current = '') {
      try {
        const mirrored = registries.reduce((text, { name }) => withMirror(text, name, url.host), current)
        const table = ['registry', url.host]
        if (url.protocol === 'http:') return setTomlKey(mirrored, table, 'http', true)
        return ca === undefined ? mirrored : setTomlKey(mirrored, table, 'ca', [AUTHORITY])
      } catch (error) {
        throw new Error(`${BUILDKITD_TOML}: ${(error as Error).message}`, { cause: error })
      }
    },
  }
}

function withMirror(text: string, registry: string, mirror: string): string {
  const table = ['registry', registry]
  const there = valueAt(readToml(text), [...table, 'mirrors'])
  const others = Array.isArray(there) ? there.map(String) : []
  return others.includes(mirror) ? text : setTomlKey(text, table, 'mirrors', [mirror, ...others])
}
