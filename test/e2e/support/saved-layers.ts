import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { type Digest, digestFrom, hasherFor } from '../../../src/oci/digest.ts'
import { succeed } from './processes.ts'

/**
 * Digests of the uncompressed layers that a client really has, in order: those of the bytes it writes to a `docker-archive`.
 * What it lists as an image's layers is only what the image's config claims.
 *
 * @param save makes the client write its archive to this file
 */
export async function savedLayers(
  folder: string,
  save: (file: string) => Promise<unknown>,
): Promise<readonly Digest[]> {
  const archive = join(folder, 'saved.tar')
  const content = join(folder, 'saved')
  await save(archive)
  await mkdir(content)
  await succeed('tar', ['xf', archive, '-C', content])
  const manifest = JSON.parse(await readFile(join(content, 'manifest.json'), 'utf8')) as {
    Layers: string[]
  }[]
  const layers = await Promise.all((manifest[0]?.Layers ?? []).map((layer) => hashed(join(content, layer))))
  for (const path of [archive, content]) await rm(path, { recursive: true })
  return layers
}

async function hashed(file: string): Promise<Digest> {
  const hash = hasherFor()
  const bytes = createReadStream(file, { highWaterMark: 1024 * 1024 })
  // Docker with the image store of containerd saves layers as it has pulled them.
  for await (const chunk of (await isGzip(file)) ? bytes.pipe(createGunzip()) : bytes) hash.update(chunk)
  return digestFrom(hash)
}

async function isGzip(file: string): Promise<boolean> {
  await using handle = await open(file)
  const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  return buffer[0] === 0x1f && buffer[1] === 0x8b
}
