import { CONTAINERD_TOML, formatOf, REGISTRY_TABLES } from '../containerd.ts'
import { readToml, valueAt } from '../toml-edit.ts'
import type { Finding, Inspection, NamedImage } from './finding.ts'
import { inspectHosts } from './inspect-hosts.ts'
import type { Machine } from './machine.ts'

const client = 'containerd'
const SETUP = 'entrepot setup containerd --write'
const MANIFESTS = '/etc/kubernetes/manifests'
/** Where the image of a pod's sandbox is named. */
const SANDBOX_IMAGES = [
  ['plugins', 'io.containerd.grpc.v1.cri', 'sandbox_image'],
  ['plugins', 'io.containerd.cri.v1.images', 'pinned_images', 'sandbox'],
]

/**
 * @returns undefined when there is no containerd, or none that pulls: Docker's package turns its CRI plugin
 * off
 */
export async function inspectContainerd(machine: Machine): Promise<Inspection | undefined> {
  const text = await machine.read(CONTAINERD_TOML)
  if (text === undefined && !(await machine.hasProgram('containerd'))) return undefined
  if (text === undefined && (await machine.hasProgram('dockerd'))) return undefined
  const found = (problem: string, fix: string): Finding => ({ client, where: CONTAINERD_TOML, problem, fix })
  const nothing = { client, mirrors: [], images: [] }
  let tree: object
  try {
    tree = readToml(text ?? '')
  } catch (error) {
    return { ...nothing, findings: [found((error as Error).message, 'repair it')] }
  }
  const disabled = valueAt(tree, ['disabled_plugins'])
  if (Array.isArray(disabled) && disabled.some((name) => /(?:^|\.)cri$/.test(String(name)))) return undefined
  const table = REGISTRY_TABLES[formatOf(text ?? '')] ?? REGISTRY_TABLES[2]!
  const folders = String(valueAt(tree, [...table, 'config_path']) ?? '')
    .split(':')
    .filter(Boolean)
  const images = [...sandboxImages(tree), ...(await imagesIn(machine))]
  if (folders.length === 0) {
    const problem = 'has no config_path: containerd asks every registry itself'
    return { ...nothing, images, findings: [found(problem, `${SETUP}, then systemctl restart containerd`)] }
  }
  const containerd = await machine.versionOf('containerd')
  const inspected = await Promise.all(
    folders.map((folder) => inspectHosts(machine, { client, folder, containerd })),
  )
  const findings = inspected.flatMap((one) => one.findings)
  const mirrors = inspected.flatMap((one) => one.mirrors)
  if (valueAt(tree, [...table, 'mirrors']) !== undefined)
    findings.push(
      found('has registry.mirrors beside config_path, for which containerd refuses it', 'remove them'),
    )
  const hasDefault = mirrors.some(({ registry }) => registry === '*')
  if (folders.length > 1 && hasDefault) {
    const problem = `names ${folders.length} folders in config_path, with which _default is not found`
    findings.push(found(problem, `${SETUP}: it names one`))
  }
  if (mirrors.length === 0) findings.push(found(`has no mirror in ${folders.join(', ')}`, SETUP))
  const used = folders.length > 1 ? mirrors.filter(({ registry }) => registry !== '*') : mirrors
  return { client, findings, mirrors: used, images }
}

function sandboxImages(tree: object): readonly NamedImage[] {
  return SANDBOX_IMAGES.map((path) => valueAt(tree, path))
    .filter((image) => typeof image === 'string')
    .map((image) => ({ image, file: CONTAINERD_TOML }))
}

/** Those of static pods. */
async function imagesIn(machine: Machine): Promise<readonly NamedImage[]> {
  const names = (await machine.list(MANIFESTS)).filter((name) => /\.ya?ml$/.test(name))
  const files = names.map((name) => `${MANIFESTS}/${name}`)
  const texts = await Promise.all(files.map((file) => machine.read(file)))
  return texts.flatMap((text, i) =>
    [...(text ?? '').matchAll(/^[\s-]*image:\s*["']?([^\s"'#]+)/gm)].map(([, image]) => ({
      image: image!,
      file: files[i]!,
    })),
  )
}
