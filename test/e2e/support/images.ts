import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Descriptor } from '../../../src/oci/descriptor.ts'
import { type Digest, digestOf, hexOf } from '../../../src/oci/digest.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { succeed } from './processes.ts'

const MiB = 1024 * 1024
export const REPOSITORY = 'library/app'

export type Kind = 'layers' | 'oci' | 'index' | 'nested' | 'artifact'

export interface Image {
  readonly kind: Kind
  /** Also its tag. */
  readonly tag: string
  readonly digest: Digest
  /** Of the image for this machine, where it is one. */
  readonly configDigest: Digest | undefined
  /** Digests of its uncompressed layers. */
  readonly diffIds: readonly Digest[]
  /** Everything it consists of, by digest: manifests, configs, layers. */
  readonly content: ReadonlyMap<Digest, Buffer>
}

interface Built {
  readonly descriptor: Descriptor & { readonly platform?: object }
  readonly body: Buffer
  readonly blobs: readonly Buffer[]
  readonly configDigest?: Digest
  readonly diffIds?: readonly Digest[]
  readonly children?: readonly Built[]
}

/** The images that every client pulls, pushed to the registry at `url`: one of them by skopeo, a real pusher, the others by hand. */
export async function pushImages(url: string, folder: string): Promise<readonly Image[]> {
  const big = layerOf('big', randomBytes(100 * MiB))
  const small = ['one', 'two', 'three', 'four'].map((name) => layerOf(name, randomBytes(20_000)))
  const layers = imageOf([...small, big], 'docker')
  const oci = imageOf([layerOf('oci', randomBytes(3 * MiB))], 'oci')
  const forArm = imageOf([layerOf('arm', randomBytes(50_000))], 'oci', 'arm64')
  const index = indexOf([oci, forArm])
  const nested = indexOf([indexOf([imageOf([layerOf('deep', randomBytes(70_000))], 'oci')]), index])
  const artifact = artifactOf(randomBytes(10_000))

  await push(url, layers, 'layers')
  await pushWithSkopeo(url, oci, 'oci', folder)
  await push(url, index, 'index')
  await push(url, nested, 'nested')
  await push(url, artifact, 'artifact')
  return [
    image('layers', layers),
    image('oci', oci),
    image('index', index, oci),
    image('nested', nested),
    image('artifact', artifact),
  ]
}

/** An image of one small layer, pushed as `tag` to the registries at `urls`. */
export async function pushSmallImage(tag: string, ...urls: readonly string[]): Promise<Image> {
  const built = imageOf([layerOf(tag, randomBytes(3 * MiB))], 'oci')
  for (const url of urls) await push(url, built, tag)
  return image('oci', built, built, tag)
}

/** An image of `count` layers of `size` bytes, pushed as `tag`. */
export async function pushLayers(
  url: string,
  tag: string,
  { count, size }: { readonly count: number; readonly size: number },
): Promise<Image> {
  const layers = Array.from({ length: count }, (_, i) => layerOf(`layer-${i}`, randomBytes(size)))
  const built = imageOf(layers, 'oci')
  await push(url, built, tag)
  return image('oci', built, built, tag)
}

function image(kind: Kind, built: Built, here: Built = built, tag: string = kind): Image {
  const content = new Map<Digest, Buffer>()
  const collect = ({ body, blobs, children = [] }: Built): void => {
    for (const bytes of [body, ...blobs]) content.set(digestOf(bytes), bytes)
    children.forEach(collect)
  }
  collect(built)
  return {
    kind,
    tag,
    digest: built.descriptor.digest,
    configDigest: here.configDigest,
    diffIds: here.diffIds ?? [],
    content,
  }
}

export interface Layer {
  readonly blob: Buffer
  readonly diffId: Digest
}

export function layerOf(name: string, content: Buffer): Layer {
  const tar = tarOf(name, content)
  return { blob: gzipSync(tar, { level: 0 }), diffId: digestOf(tar) }
}

function imageOf(layers: readonly Layer[], style: 'docker' | 'oci', architecture = 'amd64'): Built {
  const diffIds = layers.map(({ diffId }) => diffId)
  const history = [
    ...layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'test' })),
    { created: '2026-01-01T00:00:00Z', created_by: 'ENV a=b', empty_layer: true },
  ]
  const config = json({
    architecture,
    os: 'linux',
    config: { Env: ['a=b'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history,
  })
  const docker = style === 'docker'
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST
  const configType = docker
    ? 'application/vnd.docker.container.image.v1+json'
    : 'application/vnd.oci.image.config.v1+json'
  const layerType = docker
    ? 'application/vnd.docker.image.rootfs.diff.tar.gzip'
    : 'application/vnd.oci.image.layer.v1.tar+gzip'
  const blobs = layers.map(({ blob }) => blob)
  const body = json({
    schemaVersion: 2,
    mediaType,
    config: descriptor(config, configType),
    layers: blobs.map((blob) => descriptor(blob, layerType)),
  })
  return {
    descriptor: { ...descriptor(body, mediaType), platform: { architecture, os: 'linux' } },
    body,
    blobs: [config, ...blobs],
    configDigest: digestOf(config),
    diffIds,
  }
}

function indexOf(children: readonly Built[]): Built {
  const body = json({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: children.map(({ descriptor }) => descriptor),
  })
  return { descriptor: descriptor(body, OCI_INDEX), body, blobs: [], children }
}

function artifactOf(data: Buffer): Built {
  const config = json({ purpose: 'none' })
  const body = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(config, 'application/vnd.example.config.v1+json'),
    layers: [descriptor(data, 'application/vnd.example.data')],
  })
  return { descriptor: descriptor(body, OCI_MANIFEST), body, blobs: [config, data] }
}

function descriptor(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** A tar archive of one file (POSIX ustar). */
export function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, '0') + '\0'
  header.write(name, 0)
  header.write(octal(0o644, 8), 100)
  header.write(octal(0, 8), 108)
  header.write(octal(0, 8), 116)
  header.write(octal(content.length, 12), 124)
  header.write(octal(0, 12), 136)
  header.write('        0', 148)
  header.write('ustar\x0000', 257)
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
  )
  header[154] = 0
  const padding = Buffer.alloc(((512 - (content.length % 512)) % 512) + 1024)
  return Buffer.concat([header, content, padding])
}

async function push(
  url: string,
  { body, blobs, descriptor, children = [] }: Built,
  tag?: string,
): Promise<void> {
  for (const child of children) await push(url, child)
  for (const blob of blobs) await pushBlob(url, REPOSITORY, blob)
  await pushManifest(url, tag ?? descriptor.digest, body, descriptor.mediaType)
}

/** Pushes one blob to `repository` of the registry at `url`. */
export async function pushBlob(url: string, repository: string, blob: Buffer): Promise<void> {
  const begun = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const target = new URL(begun.headers.get('location')!, url)
  target.searchParams.set('digest', digestOf(blob))
  const done = await fetch(target, {
    method: 'PUT',
    body: new Uint8Array(blob),
    headers: { 'Content-Type': 'application/octet-stream' },
  })
  if (done.status !== 201) throw new Error(`blob not taken: ${done.status} ${await done.text()}`)
}

/** Pushes a manifest to `repository` of the registry at `url`. */
export async function pushManifest(
  url: string,
  reference: string,
  body: Buffer,
  mediaType: string,
  repository = REPOSITORY,
): Promise<void> {
  const answer = await fetch(`${url}/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    body: new Uint8Array(body),
    headers: { 'Content-Type': mediaType },
  })
  if (answer.status !== 201) throw new Error(`manifest not taken: ${answer.status} ${await answer.text()}`)
}

async function pushWithSkopeo(url: string, built: Built, tag: string, folder: string): Promise<void> {
  const layout = join(folder, 'layout')
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true })
  for (const bytes of [built.body, ...built.blobs]) {
    await writeFile(join(layout, 'blobs', 'sha256', hexOf(digestOf(bytes))), bytes)
  }
  const named = { ...built.descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } }
  await writeFile(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
  await writeFile(join(layout, 'index.json'), json({ schemaVersion: 2, manifests: [named] }))
  const target = `docker://${new URL(url).host}/${REPOSITORY}:${tag}`
  await succeed('skopeo', ['copy', '--dest-tls-verify=false', `oci:${layout}:${tag}`, target])
}
