/** Five images as `entrepot export` has to carry them: of two repositories' worth of shared layers, of two platforms, an artifact. */
import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import type { FakeUpstream } from '../../support/fake-upstream.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from '../../support/fixtures.ts'

export interface CarriedImage {
  /** As an engine knows it: `docker.io/library/base:1`. */
  readonly name: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  /** Of its image for amd64, where it is one. */
  readonly config: Digest | undefined
}

interface Layer {
  readonly blob: Buffer
  readonly diffId: Digest
}

export async function addFiveImages(upstream: FakeUpstream): Promise<readonly CarriedImage[]> {
  const [base, top, tool, amd64, arm64] = await Promise.all(
    ['base', 'top', 'tool', 'amd64', 'arm64'].map((name, i) =>
      layerOf(name, blobOf(200_000 + i, i + 1).bytes),
    ),
  )
  const images: CarriedImage[] = []
  const add = (repository: string, tag: string, { body, config }: ReturnType<typeof image>) => {
    const { digest } = upstream.addManifest(repository, tag, body, OCI_MANIFEST)
    images.push({ name: `docker.io/${repository}:${tag}`, repository, tag, digest, config })
  }
  add('library/base', '1', image(upstream, [base!]))
  add('library/top', '1', image(upstream, [base!, top!]))
  add('org/tool', '2.0', image(upstream, [base!, tool!]))

  const here = image(upstream, [base!, amd64!])
  const there = image(upstream, [base!, arm64!], 'arm64')
  for (const { body } of [here, there]) upstream.addManifest('library/multi', undefined, body, OCI_MANIFEST)
  const entry = ({ body }: typeof here, architecture: string) => ({
    ...descriptorOf(body, OCI_MANIFEST),
    platform: { os: 'linux', architecture },
  })
  const index = indexOf([entry(here, 'amd64'), entry(there, 'arm64')])
  const { digest } = upstream.addManifest('library/multi', '1', index, OCI_INDEX)
  images.push({
    name: 'docker.io/library/multi:1',
    repository: 'library/multi',
    tag: '1',
    digest,
    config: here.config,
  })

  const empty = Buffer.from('{}')
  const text = Buffer.from('some text')
  for (const blob of [empty, text]) upstream.addBlob(blob)
  const part = (bytes: Buffer, type: string) => descriptorOf(bytes, type)
  const artifact = manifestOf([], {
    artifactType: 'application/vnd.example.text',
    config: part(empty, 'application/vnd.oci.empty.v1+json'),
    layers: [part(text, 'text/plain')],
  })
  const added = upstream.addManifest('library/artifact', '1', artifact, OCI_MANIFEST)
  images.push({
    name: 'docker.io/library/artifact:1',
    repository: 'library/artifact',
    tag: '1',
    digest: added.digest,
    config: undefined,
  })
  const signature = manifestOf([], {
    artifactType: 'application/vnd.example.signature',
    config: part(empty, 'application/vnd.oci.empty.v1+json'),
    layers: [part(text, 'text/plain')],
    subject: { mediaType: OCI_MANIFEST, digest: added.digest, size: added.size },
  })
  upstream.addManifest('library/artifact', undefined, signature, OCI_MANIFEST)
  return images
}

function image(upstream: FakeUpstream, layers: readonly Layer[], architecture = 'amd64') {
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'test' })),
    }),
  )
  for (const blob of [config, ...layers.map(({ blob }) => blob)]) upstream.addBlob(blob)
  const body = manifestOf(
    layers.map(({ blob }) => blob),
    { config: descriptorOf(config, 'application/vnd.oci.image.config.v1+json') },
  )
  return { body, config: digestOf(config) }
}

async function layerOf(name: string, content: Buffer): Promise<Layer> {
  const header = { name: `${name}.bin`, size: content.length, mtime: new Date(0) }
  const tar = Buffer.from(await packTar([{ header, body: content }]))
  return { blob: gzipSync(tar), diffId: digestOf(tar) }
}
