/** What a person sees of the store: images, who takes how much of it, what is to stay, what is to go. Sizes are bytes, instants epoch milliseconds. */
import type { ImageName, ImagePattern } from '../oci/image-pattern.ts'

export interface Image extends ImageName {
  /** What is stored of it: its manifest and all that this refers to. 0 when only the tag is known. */
  readonly size: number
  /** The part of it that no other image uses: what purging this one alone would free. */
  readonly unshared: number
  /** undefined when its manifest is not stored. */
  readonly storedAt?: number | undefined
  readonly lastUsed: number
  /** How often its manifest was served from the store. */
  readonly hits: number
  readonly isPinned: boolean
}

export interface Share {
  readonly objects: number
  readonly bytes: number
}

/** An object counts once in each sum it belongs to, so repositories that share layers come to more than their upstream holds. */
export interface DiskUsage extends Share {
  readonly upstreams: readonly UpstreamUsage[]
  /** Of no repository: those that read it are forgotten with a lost index, until they prove it again. */
  readonly unclaimed: Share
}

export interface UpstreamUsage extends Share {
  readonly name: string
  readonly repositories: readonly (Share & { readonly name: string })[]
}

export interface Purged extends Share {
  /** Those that are gone, or would be. */
  readonly images: readonly Image[]
  /** Those that matched and stay because they are pinned. */
  readonly pinned: readonly Image[]
}

export interface ImageCatalogue {
  /** The last used first. Images without a tag are those that were pulled by digest, and those whose tag moved on. */
  images(pattern: ImagePattern): Promise<readonly Image[]>
  usage(): Promise<DiskUsage>
  /**
   * Forgets the images, and removes what no other image uses. A pattern without tag and digest also takes along what its
   * repositories hold besides images. With `dryRun` only says what that would be.
   */
  purge(pattern: ImagePattern, options: { readonly dryRun: boolean }): Promise<Purged>
}

export interface Pin {
  readonly pattern: string
  /** undefined when it is in the configuration. */
  readonly addedAt?: number | undefined
}

export interface PinList {
  list(): Promise<readonly Pin[]>
  /** @returns false when it is pinned already */
  add(pattern: ImagePattern): Promise<boolean>
  /** @returns false when there is no such pin, or it is in the configuration */
  remove(pattern: ImagePattern): Promise<boolean>
}
