import { type MissingPart, type WalkedManifest, walkImage } from '../../images/walk-image.ts'
import { selectPlatforms } from '../../images/select-platforms.ts'
import type { Manifest } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { type Part, partsIn } from '../../oci/manifest-parts.ts'
import type { Destination, DestinationRepository } from '../../ports/moving/destination.ts'
import type { Repository } from '../../ports/repository.ts'
import type { UploadManager } from '../manager.ts'
import type { Pace } from '../send-body.ts'
import { keepFallbackTag } from './fallback-tag.ts'
import { together } from './together.ts'

export interface ImagePushOptions {
  readonly uploads: UploadManager
  readonly destination: Destination
  /** As the destination names it. */
  readonly repository: string
  /** Through the cache: what is not stored comes from upstream. */
  readonly source: Repository
  /** Patterns of `oci/platform.ts`; undefined: all. */
  readonly platforms: readonly string[] | undefined
  readonly withReferrers: boolean
  readonly pace?: Pace | undefined
  /** Content that this push has seen at the destination, as `repository digest`. */
  readonly seen: Set<string>
  readonly signal: AbortSignal
}

/** What pushing one image took. */
export interface ImagePushed {
  readonly isUnchanged: boolean
  /** Bytes of blobs. */
  readonly sent: number
  readonly blobs: { readonly sent: number; readonly mounted: number; readonly present: number }
  /** Of an index: the platforms that were pushed, where others were left out. */
  readonly sparse: readonly string[] | undefined
}

/**
 * Pushes one image: blobs before their manifest, manifests before the index that lists them, what refers to
 * the image after it, and its tag last. Whoever pulls by tag meanwhile gets a whole image.
 */
export class ImagePush {
  readonly #options: ImagePushOptions
  readonly #target: DestinationRepository
  readonly #blobs = { sent: 0, mounted: 0, present: 0 }
  readonly #platforms = new Set<string>()
  /** Indexes of which platforms were left out: nobody may take them for whole. */
  readonly #sparse = new Set<Digest>()
  #sent = 0
  #manifests = 0

  constructor(options: ImagePushOptions) {
    this.#options = options
    this.#target = options.destination.repository(options.repository)
  }

  /** @throws RegistryError why it could not be pushed, or the signal's reason */
  async run(digest: Digest, tag: string | undefined): Promise<ImagePushed> {
    const { withReferrers } = this.#options
    const isThere = (await this.#resolve(tag ?? digest)) === digest
    const isUnchanged = isThere && (await this.#isWhole(digest))
    // The tag may be all that is missing.
    const isWhole = isUnchanged || (await this.#has(digest))
    if (!isWhole || withReferrers) await this.#walk(digest, tag, isWhole)
    if (!isUnchanged && tag !== undefined) await this.#put(await this.#manifest(digest), tag)
    if (!this.#sparse.has(digest)) await this.#remember(digest)
    return {
      isUnchanged: isUnchanged && this.#manifests === 0,
      sent: this.#sent,
      blobs: { ...this.#blobs },
      sparse: this.#sparse.has(digest) ? [...this.#platforms] : undefined,
    }
  }

  /** Pushes the manifests of the image, each after what it consists of. */
  async #walk(root: Digest, tag: string | undefined, isWhole: boolean): Promise<void> {
    const { source, platforms, withReferrers: referrers, signal } = this.#options
    for await (const one of walkImage(source, root, { platforms, referrers, signal })) {
      if (one.kind === 'missing') this.#judge(one)
      else if (!isWhole || !(await this.#isTrusted(one, root))) {
        // The tag comes last.
        const isTagged = one.manifest.descriptor.digest === root && tag !== undefined
        await this.#pushManifest(one, !isTagged || referrers)
      }
    }
  }

  /** What is known of an image that is there need not be asked for again. */
  async #isTrusted({ manifest }: WalkedManifest, root: Digest): Promise<boolean> {
    const { digest } = manifest.descriptor
    return digest === root || this.#isKnown(digest)
  }

  /** Pushes what a manifest consists of, and by its digest the manifest itself. */
  async #pushManifest(walked: WalkedManifest, isPut: boolean): Promise<void> {
    const { manifest, platform, blobs, leftOut, children, isReferrer } = walked
    const { digest } = manifest.descriptor
    const isSparse = leftOut.length > 0
    if (isSparse) this.#sparse.add(digest)
    if (isSparse && children.length === 0) this.#refuseEmpty(digest)
    if (platform !== undefined && !isReferrer) this.#platforms.add(platform)
    if (await this.#has(digest)) return
    await together(
      blobs.filter(({ isForeign }) => !isForeign),
      (part, signal) => this.#pushBlob(part, signal),
      this.#options.signal,
    )
    if (!isPut) return
    await this.#put(manifest, digest)
    if (!isSparse) await this.#remember(digest)
  }

  async #put(manifest: Manifest, reference: string): Promise<void> {
    const { uploads, destination, signal } = this.#options
    const ask = <T>(task: () => Promise<T>): Promise<T> => uploads.attempt(destination, task, signal)
    const { isListed } = await ask(() => this.#target.putManifest(reference, manifest, signal))
    if (!isListed) {
      const target = this.#target
      await keepFallbackTag(manifest, {
        target,
        ask,
        alone: (task) => uploads.alone(destination, task),
        signal,
      })
    }
    this.#manifests += 1
    this.#see(manifest.descriptor.digest)
  }

  async #pushBlob({ digest, size: stated }: Part, signal: AbortSignal): Promise<void> {
    if (this.#isSeen(digest)) return
    const { uploads, destination, repository, source, pace } = this.#options
    const size = stated > 0 ? stated : (await source.blobs.stat(digest, { signal }))?.size
    if (size === undefined) throw this.#missing('BLOB_UNKNOWN', 'a blob', digest)
    const open = async (signal: AbortSignal) => source.blobs.open(digest, { signal })
    const request = { destination, repository, digest, size, open, pace }
    const outcome = await uploads.upload(request, signal)
    this.#see(digest)
    this.#blobs[outcome === 'exists' ? 'present' : outcome] += 1
    if (outcome === 'sent') this.#sent += size
  }

  /** Whether the repository has the manifest, where there is a reason to ask. */
  async #has(digest: Digest): Promise<boolean> {
    if (this.#isSeen(digest)) return true
    if (!(await this.#isKnown(digest)) || (await this.#resolve(digest)) !== digest) return false
    this.#see(digest)
    return true
  }

  /** Whether the repository has what its index lists. Somebody may have pushed it without. */
  async #isWhole(digest: Digest): Promise<boolean> {
    if (await this.#isKnown(digest)) return true
    const { body } = await this.#manifest(digest)
    const { chosen, leftOut } = selectPlatforms(partsIn(body).manifests, this.#options.platforms)
    for (const child of chosen) {
      if (!(await this.#isKnown(child.digest)) && (await this.#resolve(child.digest)) !== child.digest)
        return false
      await this.#remember(child.digest)
    }
    if (leftOut.length > 0) {
      this.#sparse.add(digest)
      for (const { platform } of chosen) if (platform !== undefined) this.#platforms.add(platform)
    }
    return true
  }

  async #manifest(digest: Digest): Promise<Manifest> {
    const { source, signal } = this.#options
    const manifest = await source.manifests.get(digest, { signal })
    if (manifest === undefined) throw this.#missing('MANIFEST_UNKNOWN', 'a manifest', digest)
    return manifest
  }

  #resolve(reference: string): Promise<Digest | undefined> {
    const { uploads, destination, signal } = this.#options
    return uploads.attempt(destination, () => this.#target.resolve(reference, signal), signal)
  }

  /** @throws RegistryError when the image is not whole without the part */
  #judge({ what, digest, platform, error }: MissingPart): void {
    // An index without any platform that was asked for is refused where it comes.
    if (what === 'platform') return
    if (error !== undefined) throw error
    const part = platform === undefined ? `a ${what}` : `the ${what} of ${platform}`
    throw this.#missing('MANIFEST_UNKNOWN', part, digest)
  }

  #refuseEmpty(digest: Digest): never {
    const { source, platforms = [] } = this.#options
    const reason = `the index has nothing for ${platforms.join(', ')}`
    throw new RegistryError('MANIFEST_UNKNOWN', { repository: source.name.name, digest, reason })
  }

  #missing(code: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN', what: string, digest?: Digest): RegistryError {
    const { upstream, name } = this.#options.source.name
    const reason = `${what} of the image is neither stored nor upstream`
    return new RegistryError(code, { upstream, repository: name, digest, reason })
  }

  #content(digest: Digest): Parameters<UploadManager['isKnown']>[0] {
    const { destination, repository } = this.#options
    return { destination, repository, digest }
  }

  #isKnown(digest: Digest): Promise<boolean> {
    return this.#options.uploads.isKnown(this.#content(digest))
  }

  #remember(digest: Digest): Promise<void> {
    return this.#options.uploads.remember(this.#content(digest))
  }

  #see(digest: Digest): void {
    this.#options.seen.add(`${this.#options.repository} ${digest}`)
  }

  #isSeen(digest: Digest): boolean {
    return this.#options.seen.has(`${this.#options.repository} ${digest}`)
  }
}
