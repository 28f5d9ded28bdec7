import { readFile, stat } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import { parseManifest } from '../../oci/manifest-json.ts'
import { referencesOf } from '../../oci/manifest.ts'
import { essenceOf, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM } from '../../oci/media-types.ts'
import type { LinkIndex, ReferenceIndex, TagIndex } from '../../ports/metadata.ts'
import type { Adopted, AdoptFile } from './adopt-file.ts'
import type { Registry2Layout, Registry2Repository } from './registry2-layout.ts'

/** The parts of a store that take something over. */
export interface AdoptingStore {
  readonly adopt: AdoptFile
  readonly links: Pick<LinkIndex, 'add'>
  readonly references: Pick<ReferenceIndex, 'record'>
  readonly tags: Pick<TagIndex, 'set'> & { peek(...key: Parameters<TagIndex['get']>): Promise<unknown> }
}

/** What became of one repository. */
export interface AdoptedRepository {
  readonly name: string
  readonly tags: number
  /**
   * How many objects of each outcome. An object of several repositories is `present` in all but the first.
   */
  readonly objects: Readonly<Record<Adopted['how'], number>>
  /** Of what is stored now. */
  readonly bytes: number
  readonly damaged: readonly Digest[]
}

/** Longer content is no manifest. */
const LONGEST_MANIFEST = 4 * 1024 * 1024

/**
 * Takes over every repository as one of `upstream`: content, who may read it, and tags with the instant at
 * which they were written. It may be stopped and run again: what is there already is not read again.
 */
export async function* adoptRegistry2(
  layout: Registry2Layout,
  store: AdoptingStore,
  { upstream, copy }: { readonly upstream: string; readonly copy: boolean },
): AsyncGenerator<AdoptedRepository> {
  for await (const found of layout.repositories()) yield await repository(found)

  async function repository(found: Registry2Repository): Promise<AdoptedRepository> {
    const { name, manifests, layers, tags } = found
    const repository = { upstream, name }
    const objects = { linked: 0, copied: 0, present: 0, missing: 0, damaged: 0 }
    const damaged: Digest[] = []
    const usable = new Set<Digest>()
    let bytes = 0
    // Layers first, so that a manifest that is there has what it refers to.
    for (const digest of new Set([...layers, ...manifests])) {
      const manifest = manifests.includes(digest) ? await manifestIn(layout.blob(digest)) : undefined
      const mediaType = manifest?.mediaType ?? OCTET_STREAM
      const { how, size } = await store.adopt(layout.blob(digest), digest, { mediaType, copy })
      objects[how] += 1
      if (how === 'damaged') damaged.push(digest)
      if (how === 'missing' || how === 'damaged') continue
      bytes += size
      usable.add(digest)
      await store.links.add(repository, digest, manifest?.mediaType)
      if (manifest !== undefined) await store.references.record(digest, manifest.references)
    }
    let taken = 0
    for (const { tag, digest, writtenAt } of tags) {
      if (!usable.has(digest)) continue
      taken += 1
      // What this cache has seen itself is newer.
      if ((await store.tags.peek(repository, tag)) !== undefined) continue
      await store.tags.set(repository, tag, { digest, checkedAt: writtenAt })
    }
    return { name, tags: taken, objects, bytes, damaged }
  }
}

interface AdoptedManifest {
  readonly mediaType: string
  readonly references: readonly Digest[]
}

/** The registry keeps no media type beside a manifest. @returns undefined for what does not tell its own */
async function manifestIn(path: string): Promise<AdoptedManifest | undefined> {
  try {
    if ((await stat(path)).size > LONGEST_MANIFEST) return undefined
    const document = parseManifest(await readFile(path))
    if (document === undefined) return undefined
    const { mediaType, manifests, layers } = document
    const named = typeof mediaType === 'string' ? essenceOf(mediaType) : undefined
    const implied = Array.isArray(manifests) ? OCI_INDEX : Array.isArray(layers) ? OCI_MANIFEST : undefined
    const type = named ?? implied
    return type === undefined ? undefined : { mediaType: type, references: referencesOf(document).digests }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
