import { parseDocument } from 'yaml'
import { BUILDKITD_TOML } from '../buildkit.ts'
import { REGISTRIES_YAML } from '../k3s.ts'
import { readToml } from '../toml-edit.ts'
import type { Finding, Inspection, MirrorUse } from './finding.ts'
import type { Machine } from './machine.ts'

interface Settings {
  readonly client: string
  readonly file: string
  readonly program: string
  /** The mirrors in the text. @throws Error when it is malformed */
  mirrorsIn(text: string): readonly MirrorUse[]
}

const K3S: Settings = {
  client: 'k3s',
  file: REGISTRIES_YAML,
  program: 'k3s',
  mirrorsIn(text) {
    const here = { client: K3S.client, file: K3S.file }
    const document = parseDocument(text)
    if (document.errors[0] !== undefined) throw new Error(`is not YAML: ${document.errors[0].code}`)
    const { mirrors, configs } = (document.toJS() ?? {}) as {
      mirrors?: Record<string, { endpoint?: readonly string[] } | null>
      configs?: Record<string, { tls?: { ca_file?: string; insecure_skip_verify?: boolean } } | null>
    }
    return Object.entries(mirrors ?? {}).flatMap(([registry, entry]) =>
      (entry?.endpoint ?? []).flatMap((endpoint) => {
        const url = URL.parse(endpoint.includes('://') ? endpoint : `https://${endpoint}`)
        if (url === null) return []
        const { ca_file: authority, insecure_skip_verify: isLax = false } = configs?.[url.host]?.tls ?? {}
        return [
          {
            ...here,
            registry,
            url: url.origin,
            tolerates: isLax ? ['untrusted'] : [],
            ...(authority !== undefined && { authority }),
          },
        ]
      }),
    )
  },
}

const BUILDKIT: Settings = {
  client: 'buildkit',
  file: BUILDKITD_TOML,
  program: 'buildkitd',
  mirrorsIn(text) {
    const here = { client: BUILDKIT.client, file: BUILDKIT.file }
    const { registry: registries = {} } = readToml(text) as {
      registry?: Record<
        string,
        { mirrors?: readonly string[]; http?: boolean; insecure?: boolean; ca?: readonly string[] }
      >
    }
    return Object.entries(registries).flatMap(([registry, { mirrors = [] }]) =>
      mirrors.flatMap((mirror) => {
        const host = mirror.split('/')[0]!
        const { http: isPlain = false, insecure: isLax = false, ca } = registries[host] ?? {}
        const url = URL.parse(`${isPlain ? 'http' : 'https'}://${host}`)
        if (url === null) return []
        return [
          {
            ...here,
            registry,
            url: url.origin,
            tolerates: isLax ? ['untrusted'] : [],
            ...(ca?.[0] !== undefined && { authority: ca[0] }),
          },
        ]
      }),
    )
  },
}

export const inspectK3s = (machine: Machine): Promise<Inspection | undefined> => inspect(machine, K3S)
export const inspectBuildkit = (machine: Machine): Promise<Inspection | undefined> =>
  inspect(machine, BUILDKIT)

async function inspect(
  machine: Machine,
  { client, file, program, mirrorsIn }: Settings,
): Promise<Inspection | undefined> {
  const text = await machine.read(file)
  if (text === undefined && !(await machine.hasProgram(program))) return undefined
  const fix = `entrepot setup ${client} --write`
  const without = (problem: string): Inspection => {
    const findings: readonly Finding[] = [{ client, where: file, problem, fix }]
    return { client, findings, mirrors: [], images: [] }
  }
  try {
    const mirrors = mirrorsIn(text ?? '')
    if (mirrors.length === 0) return without('has no mirrors')
    return { client, findings: [], mirrors, images: [] }
  } catch (error) {
    return without((error as Error).message)
  }
}
