/** Images in a store, as pulling them leaves them. */
import type { Digest } from '../../src/oci/digest.ts'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { referencesIn } from '../../src/oci/manifest.ts'
import type { FilesystemStore } from '../../src/storage/filesystem-store.ts'
import { type Blob, descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { put } from './setup.ts'

export const pattern = (text: string) => parseImagePattern(text)!

/** `ghcr.io/org/app` */
export function repository(text: string): RepositoryName {
  const slash = text.indexOf('/')
  return { upstream: text.slice(0, slash), name: text.slice(slash + 1) }
}

/** An image of these layers; without a tag as when it is pulled by digest. @returns its manifest */
export async function addImage(
  store: FilesystemStore,
  name: string,
  tag: string | undefined,
  layers: readonly Blob[],
): Promise<Blob> {
  for (const blob of layers) await add(store, name, blob)
  return addManifest(store, name, tag, layers)
}

/** An image whose layers were not pulled through this repository. @returns its manifest */
export async function addManifest(
  store: FilesystemStore,
  name: string,
  tag: string | undefined,
  layers: readonly Blob[],
): Promise<Blob> {
  const body = manifestOf(layers.map(({ bytes }) => bytes))
  const manifest = { bytes: body, digest: descriptorOf(body).digest }
  await add(store, name, manifest, OCI_MANIFEST)
  if (tag !== undefined) await tagged(store, name, tag, manifest.digest)
  return manifest
}

/** An index over manifests that are there. */
export async function addIndex(
  store: FilesystemStore,
  name: string,
  tag: string | undefined,
  manifests: readonly Blob[],
): Promise<Blob> {
  const body = indexOf(manifests.map(({ bytes }) => descriptorOf(bytes, OCI_MANIFEST)))
  const index = { bytes: body, digest: descriptorOf(body).digest }
  await add(store, name, index, OCI_INDEX)
  if (tag !== undefined) await tagged(store, name, tag, index.digest)
  return index
}

export function tagged(store: FilesystemStore, name: string, tag: string, digest: Digest): Promise<void> {
  return store.tags.set(repository(name), tag, { digest, checkedAt: 1 })
}

async function add(store: FilesystemStore, name: string, blob: Blob, mediaType?: string): Promise<void> {
  await put(store, blob, mediaType)
  await store.links.add(repository(name), blob.digest)
  if (mediaType !== undefined)
    await store.references.record(blob.digest, referencesIn({ body: blob.bytes }).digests)
}
