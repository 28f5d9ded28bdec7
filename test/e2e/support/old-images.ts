import { randomBytes } from 'node:crypto'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED } from '../../../src/oci/media-types.ts'
import { EMPTY_LAYER, schema1Payload, signed } from '../../support/schema1.ts'
import { type Image, type Layer, layerOf, pushBlob, pushManifest, REPOSITORY, tarOf } from './images.ts'
import { succeed } from './processes.ts'
import type { RealRegistry } from './registry.ts'

/** An image of schema 1 in a registry, and what its layers are. */
export interface OldImage {
  /** Of `REPOSITORY`. */
  readonly tag: string
  /** Digests of the tars of its layers, but for those without files. */
  readonly diffIds: readonly Digest[]
}

/** What today's clients name in `Accept`. */
export const TODAY = [
  DOCKER_MANIFEST,
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
].join(', ')

/**
 * Pushes an image of `count` layers in schema 2, and copies it in schema 1 to `REPOSITORY` by skopeo. Every
 * third layer comes twice, and some steps of its history have no layer.
 */
export async function pushOldImage(registry: RealRegistry, count: number): Promise<OldImage> {
  const layers: Layer[] = []
  for (let i = 0; i < count; i++)
    layers.push(i % 3 === 2 ? layers[i - 1]! : layerOf(`layer-${count}-${i}`, randomBytes(20_000 + i)))
  const diffIds = layers.map(({ diffId }) => diffId)
  const history = layers.flatMap((_, i) => [
    { created: '2016-01-01T00:00:00Z', created_by: `step ${i}` },
    ...(i % 2 === 0 ? [{ created: '2016-01-01T00:00:00Z', created_by: 'ENV a=b', empty_layer: true }] : []),
  ])
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['a=b'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history,
    }),
  )
  const descriptor = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    size: bytes.length,
    digest: digestOf(bytes),
  })
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: descriptor(config, 'application/vnd.docker.container.image.v1+json'),
      layers: layers.map(({ blob }) => descriptor(blob, 'application/vnd.docker.image.rootfs.diff.tar.gzip')),
    }),
  )
  const repository = 'library/new'
  for (const blob of new Set([config, ...layers.map((layer) => layer.blob)]))
    await pushBlob(registry.url, repository, blob)
  const tag = `layers-${count}`
  await pushManifest(registry.url, tag, body, DOCKER_MANIFEST, repository)
  await succeed('skopeo', [
    ...['copy', '--src-tls-verify=false', '--dest-tls-verify=false', '--format', 'v2s1'],
    ...[
      `docker://${registry.authority}/${repository}:${tag}`,
      `docker://${registry.authority}/${REPOSITORY}:${tag}`,
    ],
  ])
  return { tag, diffIds }
}

/** Pushes an image of schema 1 by hand: layers that are not compressed, and one without files that does not say so. */
export async function pushPlainImage(registry: RealRegistry): Promise<OldImage> {
  const tars = ['one', 'two', 'three'].map((name) => tarOf(name, randomBytes(30_000)))
  const layers = [tars[0]!, EMPTY_LAYER, tars[1]!, tars[1]!, tars[2]!].map((blob) => ({
    blob,
    json: { os: 'linux' },
  }))
  for (const { blob } of layers) await pushBlob(registry.url, REPOSITORY, blob)
  const payload = schema1Payload(layers, { name: REPOSITORY, tag: 'plain' })
  await pushManifest(registry.url, 'plain', signed(payload), DOCKER_SCHEMA1_SIGNED)
  return { tag: 'plain', diffIds: [tars[0]!, tars[1]!, tars[1]!, tars[2]!].map((tar) => digestOf(tar)) }
}

/** What an old image is for clients of today. All its parts come through the proxy at `url`; `withLayers` false: all but its layers. */
export async function convertedImage(
  url: string,
  { tag, diffIds }: OldImage,
  withLayers = true,
): Promise<Image> {
  const content = new Map<Digest, Buffer>()
  const read = async (path: string, accept = '*/*') => {
    const answer = await fetch(`${url}/v2/${REPOSITORY}/${path}`, { headers: { accept } })
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${String(bytes)}`)
    content.set(digestOf(bytes), bytes)
    return bytes
  }
  const manifest = await read(`manifests/${tag}`, TODAY)
  const { config, layers } = JSON.parse(String(manifest)) as {
    config: { digest: Digest }
    layers: readonly { digest: Digest }[]
  }
  for (const { digest } of withLayers ? [config, ...layers] : [config]) await read(`blobs/${digest}`)
  return { kind: 'layers', tag, digest: digestOf(manifest), configDigest: config.digest, diffIds, content }
}
