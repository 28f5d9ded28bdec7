import { type Document, parseDocument } from 'yaml'
import { authorityFile, type CacheForClients, type ClientSetup } from './client-setup.ts'

export const REGISTRIES_YAML = '/etc/rancher/k3s/registries.yaml'
const AUTHORITY = '/etc/rancher/k3s/entrepot-ca.crt'

/** k3s and RKE2 write containerd's files themselves, from this one; they do so when they start. */
export function k3sSetup(cache: CacheForClients): ClientSetup {
  return {
    files: [
      { path: REGISTRIES_YAML, content: (current) => registriesYaml(current, cache) },
      ...authorityFile(AUTHORITY, cache),
    ],
    commands: ['systemctl restart k3s   # on agents: k3s-agent'],
    notes: ['RKE2 reads the same file as /etc/rancher/rke2/registries.yaml.'],
  }
}

function registriesYaml(current: string | undefined, { url, registries, ca }: CacheForClients): string {
  const document = parseDocument(current ?? '')
  const [mistake] = document.errors
  if (mistake !== undefined)
    throw new Error(`${REGISTRIES_YAML} is not YAML: ${mistake.message.split('\n')[0]}`)
  const isChanged = registries.map(({ name }) => addEndpoint(document, name, url.origin)).includes(true)
  const tls = ['configs', url.host, 'tls', 'ca_file']
  const isTold = ca === undefined || document.getIn(tls) === AUTHORITY
  if (!isTold) document.setIn(tls, AUTHORITY)
  return isChanged || !isTold ? document.toString() : current!
}

/** @returns whether it was not there */
function addEndpoint(document: Document, registry: string, endpoint: string): boolean {
  const at = ['mirrors', registry, 'endpoint']
  const node = document.getIn(at)
  const { mirrors } = (document.toJS() ?? {}) as {
    mirrors?: Record<string, { endpoint?: readonly string[] } | null>
  }
  const others = mirrors?.[registry]?.endpoint ?? []
  if (node !== undefined && others.includes(endpoint)) return false
  // An empty mapping is null, which has no place for a key.
  for (const path of [at.slice(0, 1), at.slice(0, 2)])
    if (document.getIn(path) === null) document.setIn(path, document.createNode({}))
  document.setIn(at, document.createNode([endpoint, ...others]))
  return true
}
