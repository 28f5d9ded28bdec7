import { readToml } from '../toml-edit.ts'
import type { Finding, Inspection, MirrorUse } from './finding.ts'
import type { Machine } from './machine.ts'

const MAIN = '/etc/containers/registries.conf'
const DROP_INS = '/etc/containers/registries.conf.d'

interface Registry {
  readonly prefix?: string
  readonly location?: string
  readonly mirror?: readonly { readonly location?: string; readonly insecure?: boolean }[]
}

/**
 * podman, buildah, skopeo and CRI-O, which read the same files. @returns undefined when there is none of them
 */
export async function inspectContainers(machine: Machine): Promise<Inspection | undefined> {
  const isCrio = await machine.hasProgram('crio')
  if (!isCrio && !(await machine.hasProgram('podman'))) return undefined
  const client = isCrio ? 'crio' : 'podman'
  const names = (await machine.list(DROP_INS)).filter((name) => name.endsWith('.conf'))
  const findings: Finding[] = []
  // A later file replaces the entries of the same prefix.
  const byPrefix = new Map<string, readonly MirrorUse[]>()
  for (const file of [MAIN, ...names.map((name) => `${DROP_INS}/${name}`)]) {
    const text = await machine.read(file)
    if (text === undefined) continue
    try {
      const { registry: registries = [] } = readToml(text) as { registry?: readonly Registry[] }
      for (const registry of registries) {
        const prefix = registry.prefix ?? registry.location
        if (prefix !== undefined) byPrefix.set(prefix, mirrorsOf(client, file, prefix, registry))
      }
    } catch (error) {
      findings.push({ client, where: file, problem: (error as Error).message, fix: 'repair it' })
    }
  }
  const mirrors = [...byPrefix.values()].flat()
  if (mirrors.length === 0) {
    const problem = 'has no [[registry.mirror]], and nor has a file in registries.conf.d'
    findings.push({ client, where: MAIN, problem, fix: `entrepot setup ${client} --write` })
  }
  return { client, findings, mirrors, images: [] }
}

function mirrorsOf(
  client: string,
  file: string,
  prefix: string,
  { mirror: mirrors = [] }: Registry,
): readonly MirrorUse[] {
  return mirrors.flatMap(({ location = '', insecure: isLax = false }) => {
    const url = URL.parse(`${isLax ? 'http' : 'https'}://${location}`)
    const authority = url === null ? '' : `/etc/containers/certs.d/${url.host}/ca.crt`
    const tolerates: MirrorUse['tolerates'] = isLax ? ['untrusted', 'tls'] : []
    return url === null ? [] : [{ client, file, registry: prefix, url: url.origin, tolerates, authority }]
  })
}
