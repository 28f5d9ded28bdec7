/** What the cache knows of the past of tags, and does with it. Instants are epoch milliseconds. */
import type { Digest } from '../oci/digest.ts'
import type { ImageName, ImagePattern } from '../oci/image-pattern.ts'
import type { Drill } from './insight/drill.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** A digest that no cool-down holds back in this repository. */
export interface TrustedDigest {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly addedAt: number
}

/** The trusted digests that are stored. Throws RegistryError STORAGE. */
export interface TrustedDigests {
  list(): Promise<readonly TrustedDigest[]>
  of(repository: RepositoryName): Promise<ReadonlySet<Digest>>
  /** @returns 'full' when there are as many as are kept, 'known' when it is trusted already */
  add(trusted: TrustedDigest): Promise<'added' | 'known' | 'full'>
  /** @returns whether it was trusted */
  remove(repository: RepositoryName, digest: Digest): Promise<boolean>
}

/** A list that this store keeps a copy of. */
export interface ListCopy<T> {
  /** Keeps these, and no others. */
  replace(items: readonly T[]): Promise<void>
}

/** A tag of which another digest is served than it points to upstream. */
export interface Held {
  /** What is served. */
  readonly digest: Digest
  /** When the new digest is served, if the tag does not move again. */
  readonly until: number
}

/** The digest that pulls of an image get, or got at an instant at which the tag had this digest. */
export type ServedOf = (image: ImageName, instant?: number) => Promise<Digest>

/** What `entrepot trust` does, with images as people write them, `node@sha256:…`. */
export interface Trust {
  list(): Promise<readonly TrustedDigest[]>
  /** undefined = the text is no image with a digest, or no upstream is configured for it */
  add(
    image: string,
  ): Promise<{ readonly image: string; readonly result: 'added' | 'known' | 'full' } | undefined>
  /** undefined as of `add`, or it is not trusted */
  remove(image: string): Promise<{ readonly image: string } | undefined>
}

/** A tag was seen to point to another digest than before. */
export interface TagMove {
  readonly repository: RepositoryName
  readonly tag: string
  /** When it was seen. */
  readonly at: number
  readonly from: Digest
  readonly to: Digest
}

/** At most `limit` moves since an instant, the newest first. Throws RegistryError STORAGE. */
export type MovesSince = (instant: number, limit: number) => Promise<readonly TagMove[]>

/** A tag as it was seen at some instant. */
export interface SeenTag {
  readonly repository: RepositoryName
  readonly tag: string
  readonly digest: Digest
}

/**
 * The tags that pointed to something at an instant, in the order of their names; of one repository, or of all.
 * What `TagPast` does not know is left out. Throws RegistryError STORAGE.
 */
export type SeenAt = (instant: number, repository?: RepositoryName) => Promise<readonly SeenTag[]>

/** What `entrepot drift` tells. Instants are ISO 8601. */
export interface DriftReport {
  readonly since: string
  /** The newest first. */
  readonly moves: readonly MoveReport[]
  /** There were more moves than are listed. */
  readonly isCut: boolean
}

export interface MoveReport {
  /** `docker.io/library/node:20` */
  readonly image: string
  readonly at: string
  readonly from: string
  readonly to: string
  /** The tag is a version, a date or a commit, of which nobody expects that it moves. */
  readonly looksImmutable: boolean
  /** A cool-down serves another digest until then; null = none does. Of the last move of a tag only. */
  readonly coolDown: { readonly served: string; readonly until: string } | null
  /** null = one of the two is not stored. */
  readonly change: MoveChange | null
}

/** How an image differs from the one before; `null` is what is not stored of both. Sizes are bytes. */
export interface MoveChange {
  /** The platform that is compared: `linux/amd64` where both have it. */
  readonly platform: string | null
  /** Of its config and layers. */
  readonly size: { readonly from: number; readonly to: number } | null
  readonly layers: { readonly from: number; readonly to: number; readonly shared: number } | null
  /** When they were built, as they say themselves. */
  readonly created: { readonly from: string | null; readonly to: string | null } | null
  readonly platformsAdded: readonly string[]
  readonly platformsRemoved: readonly string[]
}

/** Rehearses an outage of an upstream. */
export interface Rehearsals {
  /**
   * Makes an upstream unreachable for so many milliseconds, from now on.
   *
   * @returns when that ends, in epoch milliseconds; 'unknown' = no such upstream is configured, 'always' =
   * the configuration says that it is never asked
   */
  begin(upstream: string, milliseconds: number): number | 'unknown' | 'always'
  /** @returns whether there was a rehearsal */
  end(upstream: string): boolean
}

/** Images whose tags are to be served as they were. */
export interface Retention {
  readonly match: ImagePattern
  /** Milliseconds for which a digest is kept after the tag has ceased to point to it. */
  readonly keep: number
}

/** What one run of a CI system has resolved. The first resolve of a tag in a run is every job's. */
export interface RunRecord {
  readonly run: string
  readonly startedAt: number
  /** In the order of their names. */
  readonly tags: readonly RunTag[]
}

export interface RunTag {
  readonly repository: RepositoryName
  readonly tag: string
  readonly digest: Digest
  readonly at: number
  /** The manifests that the run has read by digest, among them those of the platforms that it has pulled. */
  readonly manifests: readonly Digest[]
}

/**
 * The runs that are kept: bounded in number, age and what they hold together. The oldest go first, those of
 * the same client before others'. Throws RegistryError STORAGE.
 */
export interface Runs {
  /** What the run has chosen for a tag; undefined = nothing yet. */
  chosen(run: string, repository: RepositoryName, tag: string): Promise<Digest | undefined>
  /**
   * Chooses for the run, which begins with its first choice, unless another job was faster.
   *
   * @returns what the run has chosen; 'full' = it has as many tags as a run may have
   */
  choose(run: string, client: string, choice: Omit<RunTag, 'manifests'>): Promise<Digest | 'full'>
  /**
   * A job has read a manifest by digest.
   *
   * @returns what of it is new here: that the run has read it, or the run itself, which is then not recorded
   */
  pulled(run: string, repository: RepositoryName, digest: Digest): Promise<'manifest' | 'run' | undefined>
  record(run: string): Promise<RunRecord | undefined>
}

/** Who began a run, and when. */
export interface RunStart {
  readonly run: string
  readonly client: string
  readonly startedAt: number
}

/** The runs that this store keeps a copy of. */
export interface RunCopies {
  /**
   * Keeps what was chosen; tag '' = a manifest that was read. Another run of the same name, which began at
   * another time, is forgotten.
   */
  keep(start: RunStart, choice: Omit<RunTag, 'manifests'>): Promise<void>
  forget(...runs: readonly string[]): Promise<void>
  forgetAll(): Promise<void>
}

/** What `GET runs/<id>` answers. Instants are ISO 8601. */
export interface RunReport {
  readonly run: string
  readonly startedAt: string
  readonly images: readonly {
    /** `docker.io/library/node:20` */
    readonly image: string
    readonly digest: string
    /** `linux/amd64`: those that the run has pulled, as far as that is known. */
    readonly platforms: readonly string[]
    /** When the run has resolved it. */
    readonly at: string
  }[]
}

/** What `time/` knows and does, for the admin API. */
export interface TimeOperations {
  readonly trust: Trust
  /** Of the last so many milliseconds. */
  drift(period: number): Promise<DriftReport>
  readonly drill: Drill
  /** undefined = there is no such run */
  run(name: string): Promise<RunReport | undefined>
}
