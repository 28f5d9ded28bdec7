/** What the cache knows of the past of tags, and does with it. Instants are epoch milliseconds. */
import type { Digest } from '../oci/digest.ts'
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

/** A tag of which another digest is served than it points to upstream. */
export interface Held {
  /** What is served. */
  readonly digest: Digest
  /** When the new digest is served, if the tag does not move again. */
  readonly until: number
}

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
