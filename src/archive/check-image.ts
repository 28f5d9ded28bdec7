import type { Digest } from '../oci/digest.ts'
import { partsIn } from '../oci/manifest-parts.ts'
import { parseManifest } from '../oci/manifest-json.ts'
import { yieldEvery } from '../util/async/yield-every.ts'

/** A manifest that an image in an archive consists of. */
export interface CheckedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Buffer
  /** Config and layers that are there. */
  readonly blobs: readonly Digest[]
}

export interface CheckedImage {
  readonly manifests: readonly CheckedManifest[]
  /** Platforms of its index that are not there. */
  readonly absent: readonly string[]
}

export interface ImageContentOptions {
  /** A manifest that is in the archive, or was stored before and may be used; undefined = there is none. */
  readonly manifest: (
    digest: Digest,
  ) => Promise<{ readonly mediaType: string; readonly body: Buffer } | undefined>
  /** The size of a blob that is there, in the same way. */
  readonly sizeOf: (digest: Digest) => Promise<number | undefined>
  /** Manifests of an index that may be absent; undefined = those of any platform may. */
  readonly mayLack: ((platform: string) => boolean) | undefined
}

/** Manifests of one image, and indexes within each other. */
const MOST_MANIFESTS = 10_000
const DEEPEST = 8

/** Checks that an image is whole, but for platforms that may be absent. @throws Error that says what is missing */
export async function checkImage(
  root: Digest,
  { manifest, sizeOf, mayLack }: ImageContentOptions,
): Promise<CheckedImage> {
  const manifests = new Map<Digest, CheckedManifest>()
  const absent: string[] = []
  const pause = yieldEvery()
  await visit(root, undefined, 0)
  return { manifests: [...manifests.values()], absent }

  async function visit(digest: Digest, platform: string | undefined, depth: number): Promise<boolean> {
    if (manifests.has(digest)) return true
    if (depth > DEEPEST || manifests.size >= MOST_MANIFESTS) throw new Error(`${root} has too many manifests`)
    const found = await manifest(digest)
    if (found === undefined) return false
    await pause()
    if (parseManifest(found.body) === undefined) throw new Error(`${digest} is no manifest`)
    const { manifests: children, content } = partsIn(found.body)
    const present: Digest[] = []
    for (const { digest: part, size, isForeign } of content) {
      const actual = await sizeOf(part)
      await pause()
      if (actual === undefined && isForeign === true) continue
      if (actual === undefined)
        throw new Error(
          `${part}, a part of ${platform ?? digest}, is neither in the archive nor in the store`,
        )
      if (size > 0 && actual !== size)
        throw new Error(`${part} has ${actual} bytes, but ${digest} says ${size}`)
      present.push(part)
    }
    manifests.set(digest, { ...found, digest, blobs: present })
    let there = 0
    for (const { digest: child, platform: own = 'unknown' } of children) {
      if (await visit(child, own, depth + 1)) there += 1
      else if (mayLack === undefined || mayLack(own)) absent.push(own)
      else throw new Error(`${child}, the manifest of ${own}, is neither in the archive nor in the store`)
    }
    if (children.length > 0 && there === 0)
      throw new Error(`${digest} has none of its platforms in the archive`)
    return true
  }
}
