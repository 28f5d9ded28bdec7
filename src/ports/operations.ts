/**
 * What an operator does with a store: see what is stored, remove it, keep it, verify it. One implementation
 * works on an open store, another through the admin API of the process that has it open. Sizes are bytes,
 * instants epoch milliseconds.
 */
import type { ImageOrder } from './image-order.ts'
import type { Digest } from '../oci/digest.ts'
import type { ImageName, ImagePattern } from '../oci/image-pattern.ts'

export interface Operations {
  readonly catalogue: ImageCatalogue
  readonly pins: PinList
  readonly verify: Verify
}

export interface Image extends ImageName {
  /**
   * The stored bytes of its manifest and of everything the manifest refers to. 0 when only the tag is known.
   */
  readonly size: number
  /** The bytes that no other image uses, which purging this image alone would free. */
  readonly unshared: number
  /** undefined when its manifest is not stored. */
  readonly storedAt?: number | undefined
  readonly lastUsed: number
  /** How often its manifest was served from the store. */
  readonly hits: number
  readonly isPinned: boolean
  /** Upstream has deleted its last tag: its content may not be available again, and is evicted last. */
  readonly isVanishing: boolean
}

export interface Size {
  readonly objects: number
  readonly bytes: number
}

/**
 * An object counts once in each sum it belongs to. The repositories of an upstream therefore add up to more
 * than the upstream when they share layers.
 */
export interface DiskUsage extends Size {
  readonly upstreams: readonly UpstreamUsage[]
  /**
   * Content that no repository is linked to. Links are lost with the index, until a client's pull proves them
   * again.
   */
  readonly unlinked: Size
  /** What the store takes besides the content. It counts in `storage.maxSize` too. */
  readonly indexBytes: number
  /** Of unfinished downloads, running and interrupted ones. */
  readonly partialBytes: number
  /**
   * What the rules of `views.retain` keep; left out where there are none. `missing`: manifests that were to be
   * kept, and are not stored any more; none where a bucket keeps them.
   */
  readonly retained?: (Size & { readonly missing: number }) | undefined
}

export interface UpstreamUsage extends Size {
  readonly name: string
  /** Bytes that its content may take; undefined where it has no limit of its own. */
  readonly maxSize?: number | undefined
  readonly repositories: readonly (Size & { readonly name: string })[]
}

export interface Purged extends Size {
  /** The images that were removed, or with `dryRun` would be. */
  readonly images: readonly Image[]
  /** The images that matched and stay because they are pinned. */
  readonly pinned: readonly Image[]
}

export interface PurgeScope {
  readonly dryRun: boolean
  /** Only what this replica has: what it shares with others stays. */
  readonly isOnlyHere?: boolean
}

export interface ImageCatalogue {
  /**
   * The first `limit` images, the most recently used first unless `by` says otherwise. An image without a tag
   * was pulled by digest, or its tag has moved. `asOf`: those with a tag, as they were seen at this instant.
   */
  images(
    pattern: ImagePattern,
    order?: {
      readonly by?: ImageOrder
      readonly limit?: number | undefined
      readonly asOf?: number | undefined
      /** Only those that are vanishing. */
      readonly vanishing?: boolean | undefined
    },
  ): Promise<readonly Image[]>
  usage(): Promise<DiskUsage>
  /**
   * Forgets the images and removes the content that no other image uses. A pattern without tag and digest
   * also removes what its repositories hold besides images. With `dryRun`, only reports what would be
   * removed.
   */
  purge(pattern: ImagePattern, options: PurgeScope): Promise<Purged>
}

/** What is stored of one image. */
export interface ImageContent {
  readonly digest: Digest
  readonly size: number
  readonly storedAt: number
  readonly lastUsed: number
  readonly hits: number
  /** Of an index its platforms, otherwise the image itself. */
  readonly platforms: readonly PlatformContent[]
}

export interface PlatformContent {
  /** `linux/amd64`; `attestation` for a manifest that describes another. */
  readonly platform: string
  readonly digest: Digest
  /** Whether its manifest is. Otherwise nothing is known of its layers. */
  readonly isStored: boolean
  /** Bytes of config and layers, as its manifest states them. */
  readonly size: number
  /** When it was built, as its config says, in ISO 8601; undefined = it does not, or is not stored. */
  readonly created?: string | undefined
  /** Config and layers. */
  readonly parts: readonly { readonly digest: Digest; readonly size: number }[]
  /** Those that are not stored. */
  readonly missing: readonly { readonly digest: Digest; readonly size: number }[]
  /** How many parts it has, its config included. */
  readonly layers: number
}

/** Looks at a manifest and what it refers to, which is no use of them. undefined = it is not stored. */
export type Inspect = (digest: Digest) => Promise<ImageContent | undefined>

export interface Pin {
  readonly pattern: string
  /** undefined when the configuration has it. */
  readonly addedAt?: number | undefined
}

export interface PinList {
  list(): Promise<readonly Pin[]>
  /** @returns false when it is pinned already */
  add(pattern: ImagePattern): Promise<boolean>
  /** @returns false when there is no such pin, or the configuration has it */
  remove(pattern: ImagePattern): Promise<boolean>
}

/**
 * An object whose file does not match its digest. It is removed, and downloaded again when a client asks for
 * it.
 */
export interface BadObject {
  readonly digest: Digest
  /** The size it should have. */
  readonly size: number
  readonly problem: 'missing' | 'wrong size' | 'wrong content' | 'unreadable'
  /** The repositories that contain it, such as `docker.io/library/alpine`. */
  readonly repositories: readonly string[]
}

export interface VerificationStep {
  readonly checked: Size
  /** All content at the start. */
  readonly total: Size
  /** The objects found since the last step. */
  readonly bad: readonly BadObject[]
  /** Set on the last step. */
  readonly isDone: boolean
}

export interface VerifyOptions {
  readonly bytesPerSecond: number
  readonly signal?: AbortSignal
}

/** Hashes all content and reports progress. Leaving the loop stops it. */
export type Verify = (options: VerifyOptions) => AsyncIterable<VerificationStep>
