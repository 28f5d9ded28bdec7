import { parseJsonObject } from '../../util/json-object.ts'
import { isAtLeast } from '../client-version.ts'
import { DAEMON_JSON, DOCKER_CERTS_D } from '../docker.ts'
import type { Finding, Inspection, MirrorUse } from './finding.ts'
import { inspectHosts } from './inspect-hosts.ts'
import type { Machine } from './machine.ts'

const client = 'docker'
const SETUP = 'entrepot setup docker --write'

/** @returns undefined when there is no Docker */
export async function inspectDocker(machine: Machine): Promise<Inspection | undefined> {
  const text = await machine.read(DAEMON_JSON)
  if (text === undefined && !(await machine.hasProgram('dockerd'))) return undefined
  const version = await machine.versionOf('dockerd')
  const settings = text === undefined ? {} : parseJsonObject(text)
  const findings: Finding[] = []
  if (settings === undefined)
    findings.push({ client, where: DAEMON_JSON, problem: 'is not a JSON object', fix: 'repair it' })
  const ca = `${DOCKER_CERTS_D}/`
  const mirrors: MirrorUse[] = []
  for (const mirror of stringsIn(settings?.['registry-mirrors'])) {
    const url = URL.parse(mirror)
    if (url === null) {
      const problem = `names the mirror ${JSON.stringify(mirror)}, which is no URL`
      findings.push({ client, where: DAEMON_JSON, problem, fix: SETUP })
      continue
    }
    const authority = `${ca}${url.host}/ca.crt`
    const hasAuthority = (await machine.read(authority)) !== undefined
    mirrors.push({
      client,
      file: DAEMON_JSON,
      registry: 'docker.io',
      url: url.origin,
      tolerates: stringsIn(settings?.['insecure-registries']).includes(url.host) ? ['untrusted'] : [],
      ...(hasAuthority && { authority }),
    })
  }
  const hosts = await inspectHosts(machine, { client, folder: DOCKER_CERTS_D, containerd: undefined })
  const isOlder = version !== undefined && !isAtLeast(version, [29, 0])
  if (isOlder && hosts.mirrors.length > 0) {
    const { file, registry } =
      hosts.mirrors.find(({ registry }) => registry !== 'docker.io') ?? hosts.mirrors[0]!
    findings.push({
      client,
      where: file,
      problem: `is not read by Docker ${version.major}.${version.minor}, which has mirrors for Docker Hub only`,
      fix: `update Docker to 29, or pull from the cache by name: CACHE/${registry}/…`,
    })
  }
  const all = isOlder ? mirrors : [...mirrors, ...hosts.mirrors]
  if (all.length === 0 && settings !== undefined)
    findings.push({ client, where: DAEMON_JSON, problem: 'has no registry-mirrors', fix: SETUP })
  return { client, findings: [...findings, ...(isOlder ? [] : hosts.findings)], mirrors: all, images: [] }
}

function stringsIn(list: unknown): readonly string[] {
  return Array.isArray(list) ? list.map(String) : []
}
