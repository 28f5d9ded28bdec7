/**
 * assemble.ts OUT VERSION REVISION EPOCH ARCH=TAR…: wraps root file systems as images and archives them, for build.sh.
 * Writes OUT/entrepot.oci.tar with one OCI index of all, OUT/entrepot-ARCH.tar of each, which `docker load` reads too, and
 * OUT/digest, that of the index. The same input gives the same bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync, mkdtempSync } from 'node:fs'
import { linkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { constants, createGzip } from 'node:zlib'
import { type ImageConfig, readImageConfig } from './containerfile.ts'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly architecture: string; readonly os: 'linux' }
  readonly annotations?: Readonly<Record<string, string>>
}

/** An image of one platform: its manifest, and the blobs it consists of. */
interface Image {
  readonly architecture: string
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly layer: Descriptor
}

const OCI = 'application/vnd.oci.image'
const [out, version, revision, epoch, ...rootfs] = process.argv.slice(2)
if (!out || !version || !revision || !epoch || rootfs.length === 0)
  throw new Error('see the head of assemble.ts')
const created = new Date(Number(epoch) * 1000).toISOString().replace('.000Z', 'Z')
const containerfile = fileURLToPath(new URL('../../Containerfile', import.meta.url))
const imageConfig = readImageConfig(containerfile, { VERSION: version, REVISION: revision })

const work = mkdtempSync(join(tmpdir(), 'entrepot-image-'))
try {
  const blobs = join(work, 'blobs')
  mkdirSync(blobs)
  const images: Image[] = []
  for (const each of rootfs) {
    const [architecture, tar] = each.split('=') as [string, string]
    images.push(await imageOf(architecture, tar, imageConfig, blobs))
  }
  const index = write(blobs, `${OCI}.index.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: images.map(({ manifest }) => manifest),
  })
  const everything = images.flatMap(blobsOf)
  archive(join(out, 'entrepot.oci.tar'), blobs, index, [index, ...everything])
  for (const image of images) {
    const file = join(out, `entrepot-${image.architecture}.tar`)
    archive(file, blobs, image.manifest, blobsOf(image), [
      {
        Config: pathOf(image.config),
        RepoTags: [`entrepot:${version}`, 'entrepot:latest'],
        Layers: [pathOf(image.layer)],
      },
    ])
  }
  writeFileSync(join(out, 'digest'), `${index.digest}\n`)
} finally {
  rmSync(work, { recursive: true })
}

function blobsOf({ manifest, config, layer }: Image): readonly Descriptor[] {
  return [manifest, config, layer]
}

async function imageOf(
  architecture: string,
  tar: string,
  config: ImageConfig,
  blobs: string,
): Promise<Image> {
  const { layer, diffId } = await compress(tar, blobs)
  const configBlob = write(blobs, `${OCI}.config.v1+json`, {
    created,
    architecture,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'packaging/image/build.sh' }],
  })
  const manifest = write(blobs, `${OCI}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: configBlob,
    layers: [layer],
  })
  const platform = { architecture, os: 'linux' } as const
  return { architecture, config: configBlob, layer, manifest: { ...manifest, platform } }
}

/** The tar as a gzip blob. @returns it, and the digest of the tar */
async function compress(tar: string, blobs: string): Promise<{ layer: Descriptor; diffId: string }> {
  const plain = createHash('sha256')
  const compressed = createHash('sha256')
  const file = join(blobs, 'incoming')
  const tap = (hash: typeof plain) => new PassThrough().on('data', (chunk: Buffer) => hash.update(chunk))
  const gzip = createGzip({ level: constants.Z_BEST_COMPRESSION })
  await pipeline(createReadStream(tar), tap(plain), gzip, tap(compressed), createWriteStream(file))
  const hex = compressed.digest('hex')
  renameSync(file, join(blobs, hex))
  const { size } = statSync(join(blobs, hex))
  const layer = { mediaType: `${OCI}.layer.v1.tar+gzip`, digest: `sha256:${hex}`, size }
  return { layer, diffId: `sha256:${plain.digest('hex')}` }
}

function write(blobs: string, mediaType: string, value: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value))
  const hex = createHash('sha256').update(bytes).digest('hex')
  writeFileSync(join(blobs, hex), bytes)
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
}

function pathOf({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`
}

/** An OCI layout of `blobs` that names `top`, and a manifest.json where `docker load` is to read it. */
function archive(
  file: string,
  from: string,
  top: Descriptor,
  blobs: readonly Descriptor[],
  dockerManifest?: readonly object[],
): void {
  const layout = mkdtempSync(join(work, 'layout-'))
  mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true })
  for (const blob of blobs)
    linkSync(join(from, blob.digest.slice('sha256:'.length)), join(layout, pathOf(blob)))
  const annotations = {
    'io.containerd.image.name': `docker.io/library/entrepot:${version}`,
    'org.opencontainers.image.ref.name': version!,
  }
  const files = {
    'oci-layout': { imageLayoutVersion: '1.0.0' },
    'index.json': { schemaVersion: 2, manifests: [{ ...top, annotations }] },
    ...(dockerManifest && { 'manifest.json': dockerManifest }),
  }
  for (const [name, value] of Object.entries(files)) writeFileSync(join(layout, name), JSON.stringify(value))
  const same = ['--sort=name', `--mtime=@${epoch}`, '--numeric-owner', '--owner=0', '--group=0']
  const mode = ['--format=gnu', '--mode=u=rwX,go=rX', '--hard-dereference']
  execFileSync('tar', ['--create', '--file', file, ...same, ...mode, '--directory', layout, '.'])
  rmSync(layout, { recursive: true })
}
