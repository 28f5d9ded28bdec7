import { type ClientVersion, isAtLeast } from '../client-version.ts'
import { readToml } from '../toml-edit.ts'
import type { Finding, MirrorUse } from './finding.ts'
import type { Machine } from './machine.ts'

interface HostsFolder {
  readonly client: string
  readonly folder: string
  /** The containerd that reads it, or whose code the client has; undefined when it is not known. */
  readonly containerd: ClientVersion | undefined
}

interface Host {
  readonly capabilities?: readonly string[]
  readonly ca?: string | readonly string[]
  readonly skip_verify?: boolean
}

/** Reads each `<registry>/hosts.toml` of a folder. */
export async function inspectHosts(
  machine: Machine,
  { client, folder, containerd }: HostsFolder,
): Promise<{ readonly findings: readonly Finding[]; readonly mirrors: readonly MirrorUse[] }> {
  const findings: Finding[] = []
  const mirrors: MirrorUse[] = []
  for (const registry of await machine.list(folder)) {
    const file = `${folder}/${registry}/hosts.toml`
    const text = await machine.read(file)
    if (text === undefined) continue
    const found = (problem: string, fix: string) => findings.push({ client, where: file, problem, fix })
    let hosts: Readonly<Record<string, Host>>
    try {
      hosts = (readToml(text)['host'] ?? {}) as typeof hosts
    } catch (error) {
      found((error as Error).message, `entrepot setup ${client} --write`)
      continue
    }
    for (const [address, host] of Object.entries(hosts)) {
      const url = URL.parse(address.includes('://') ? address : `https://${address}`)
      if (url === null) {
        found(`names ${JSON.stringify(address)}, which is no URL`, `entrepot setup ${client} --write`)
        continue
      }
      const { capabilities, ca, skip_verify: isLax = false } = host
      if (capabilities?.includes('resolve') === false)
        found('lets the mirror resolve no tags', 'add "resolve" to its capabilities')
      if (capabilities?.includes('referrers') && containerd !== undefined && !isAtLeast(containerd, [2, 2])) {
        const { major, minor } = containerd
        found(
          `has the capability referrers, for which containerd ${major}.${minor} refuses the file`,
          'take it out: containerd 2.2 is the first to know it',
        )
      }
      const authority = [ca].flat()[0]
      mirrors.push({
        client,
        file,
        registry: registry === '_default' ? '*' : registry,
        url: url.origin,
        tolerates: isLax ? ['untrusted'] : [],
        ...(authority !== undefined && { authority }),
      })
    }
  }
  return { findings, mirrors }
}
