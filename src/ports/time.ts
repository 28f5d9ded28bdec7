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
