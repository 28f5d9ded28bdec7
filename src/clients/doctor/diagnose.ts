import { findCredentials } from './find-credentials.ts'
import type { Finding, Inspection, MirrorUse } from './finding.ts'
import { inspectContainerd } from './inspect-containerd.ts'
import { inspectContainers } from './inspect-containers.ts'
import { inspectDocker } from './inspect-docker.ts'
import { inspectBuildkit, inspectK3s } from './inspect-others.ts'
import { judgeMirror, type Probe } from './judge-mirror.ts'
import type { Machine } from './machine.ts'

export interface Diagnosis {
  /** The clients that were found. */
  readonly clients: readonly string[]
  /** The mirrors that they use. */
  readonly mirrors: readonly string[]
  readonly findings: readonly Finding[]
  /** Files that this user may not read, which may say otherwise. */
  readonly unread: readonly string[]
}

export interface DiagnoseOptions {
  /** Asks the mirror as a client does, with the authorities in this PEM text beside the system's. */
  probe(url: string, authority: string | undefined): Promise<Probe>
  /** Images that have to come through the cache, whatever client pulls them. */
  readonly images: readonly string[]
}

const INSPECTIONS = [inspectDocker, inspectContainerd, inspectK3s, inspectContainers, inspectBuildkit]

/** Finds what on this machine would be pulled past the cache. */
export async function diagnose(machine: Machine, { probe, images }: DiagnoseOptions): Promise<Diagnosis> {
  const inspected = (await Promise.all(INSPECTIONS.map((inspect) => inspect(machine)))).filter(
    (one) => one !== undefined,
  )
  const mirrors = inspected.flatMap((one) => one.mirrors)
  const judged = await Promise.all(
    distinct(mirrors).map(async (mirror) => {
      const authority = mirror.authority === undefined ? undefined : await machine.read(mirror.authority)
      const answer = await probe(mirror.url, authority)
      return mirror.tolerates.some((kind) => kind === answer.kind) ? undefined : judgeMirror(mirror, answer)
    }),
  )
  const own = await ownCredentials(machine, mirrors)
  return {
    clients: inspected.map(({ client }) => client),
    mirrors: [...new Set(mirrors.map(({ url }) => url))],
    findings: [
      ...inspected.flatMap((one) => one.findings),
      ...judged.filter((finding) => finding !== undefined),
      ...inspected.flatMap((one) => uncovered(one, images)),
      ...own,
    ],
    unread: [...machine.unread].toSorted(),
  }
}

/** One of each client, address and authority. */
function distinct(mirrors: readonly MirrorUse[]): readonly MirrorUse[] {
  return [
    ...new Map(
      mirrors.map((mirror) => [`${mirror.client} ${mirror.url} ${mirror.authority}`, mirror]),
    ).values(),
  ]
}

/** Images of registries that this client asks itself. A client without any mirror is a finding already. */
function uncovered(
  { client, mirrors, images: own }: Inspection,
  images: readonly string[],
): readonly Finding[] {
  if (mirrors.length === 0) return []
  const hosts = new Set(mirrors.map(({ url }) => new URL(url).host))
  return [...own, ...images.map((image) => ({ image, file: undefined }))].flatMap(({ image, file }) => {
    const registry = registryOf(image)
    const isCovered =
      hosts.has(registry) ||
      mirrors.some((mirror) => mirror.registry === '*' || covers(mirror.registry, image, registry))
    if (isCovered) return []
    const problem = `${file === undefined ? 'is' : `names ${image}, which is`} of ${registry}, for which ${client} has no mirror`
    const fix = `add the upstream ${registry} to the cache, then entrepot setup ${client} --write`
    return [{ client, where: file ?? image, problem, fix }]
  })
}

/** podman's prefixes may have a path. */
function covers(prefix: string, image: string, registry: string): boolean {
  return prefix === registry || image.startsWith(`${prefix}/`)
}

function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io'
}

/** What only these credentials can read, the cache cannot: clients then ask the registry itself. */
async function ownCredentials(machine: Machine, mirrors: readonly MirrorUse[]): Promise<readonly Finding[]> {
  const found = await findCredentials(machine)
  return found
    .filter(({ registry }) => mirrors.some((mirror) => mirror.registry === registry))
    .map(({ file, registry }) => ({
      client: 'credentials',
      where: file,
      problem: `has credentials for ${registry}: what only they can read goes past the cache`,
      fix: `give them to the cache (upstreams.${registry}.username and passwordFile), and log out here`,
    }))
}
