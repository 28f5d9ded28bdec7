import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Digest, digestFrom, hasherFor } from '../../../src/oci/digest.ts'
import { DOCKER_SCHEMA1_SIGNED } from '../../../src/oci/media-types.ts'
import { schema1Payload, signed } from '../../support/schema1.ts'
import { pushManifest, REPOSITORY } from './images.ts'
import type { OldImage } from './old-images.ts'
import type { RealRegistry } from './registry.ts'

const MiB = 1024 * 1024

export interface LargeOldImage extends OldImage {
  readonly layers: readonly { readonly blob: Digest; readonly size: number }[]
}

/** Pushes an image of schema 1 whose layers have so many MiB each, which gzip halves. Nothing is held in memory. */
export async function pushLargeImage(
  { url }: RealRegistry,
  folder: string,
  mebibytes: readonly number[],
): Promise<LargeOldImage> {
  const layers: { blob: Digest; size: number; diffId: Digest }[] = []
  for (const [i, size] of mebibytes.entries()) {
    const file = join(folder, `layer-${i}`)
    layers.push(await writeLayer(file, size))
    await pushFile(url, file, layers[i]!.blob)
    await rm(file)
  }
  const payload = schema1Payload(layers.map(({ blob }) => ({ blob })))
  await pushManifest(url, 'large', signed(payload), DOCKER_SCHEMA1_SIGNED)
  return { tag: 'large', layers, diffIds: layers.map(({ diffId }) => diffId) }
}

async function writeLayer(file: string, mebibytes: number) {
  const tar = hasherFor()
  const blob = hasherFor()
  const random = randomBytes(MiB / 2)
  const zeros = Buffer.alloc(MiB / 2)
  async function* content() {
    for (let i = 0; i < mebibytes; i++) {
      random.writeUInt32LE(i)
      for (const half of [random, zeros]) {
        tar.update(half)
        yield Buffer.from(half)
      }
    }
  }
  const hashed = new PassThrough().on('data', (bytes: Buffer) => blob.update(bytes))
  await pipeline(Readable.from(content()), createGzip({ level: 1 }), hashed, createWriteStream(file))
  const { size } = await stat(file)
  return { blob: digestFrom(blob), diffId: digestFrom(tar), size }
}

async function pushFile(url: string, file: string, digest: Digest): Promise<void> {
  const begun = await fetch(`${url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' })
  const target = new URL(begun.headers.get('location')!, url)
  target.searchParams.set('digest', digest)
  const done = await fetch(target, {
    method: 'PUT',
    body: Readable.toWeb(createReadStream(file)) as unknown as ReadableStream,
    duplex: 'half',
    headers: { 'Content-Type': 'application/octet-stream' },
  } as RequestInit)
  if (done.status !== 201) throw new Error(`blob not taken: ${done.status} ${await done.text()}`)
}
