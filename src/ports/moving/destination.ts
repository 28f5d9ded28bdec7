/**
 * What `upload/` needs from a registry that images are pushed to: distribution-spec v1.1.1 "Pushing". Every
 * method throws RegistryError as those of `UpstreamRepository` do; `detail.upstream` is the destination's
 * authority.
 */
import type { Manifest } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ReferrerList } from '../../oci/referrers.ts'

/** An upload that a destination has begun to take. */
export interface UploadSession {
  /** Where its next request goes. Every answer may name another place. */
  readonly location: URL
  /** How many bytes the destination has, as it says itself. */
  readonly offset: number
  /** The fewest bytes it takes in one request, the last one excepted (`OCI-Chunk-Min-Length`). */
  readonly leastChunk?: number
}

/** The body of one request. */
export interface Chunk {
  /** Bytes. */
  readonly size: number
  /** Reads them from the first one. It is called again when the request has to be sent again. */
  read(signal: AbortSignal): AsyncIterable<Buffer>
}

/**
 * What an answer says of a session: `lost`, it does not exist (any more); `misplaced`, the bytes do not begin
 * where the destination's end; `too large`, it takes fewer bytes in one request; `no chunks`, it takes a blob
 * in one request only; `corrupt`, all that it has does not match the digest.
 */
export type SessionProblem = 'lost' | 'misplaced' | 'too large' | 'no chunks' | 'corrupt'

export interface DestinationRepository {
  readonly name: string
  hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean>
  /**
   * Mounts a blob of another repository of the same registry.
   *
   * @returns the session that the destination opened instead; `refused` when it opened none; `denied` when we
   * may not read the other repository.
   */
  mount(
    digest: Digest,
    from: string,
    signal?: AbortSignal,
  ): Promise<'mounted' | UploadSession | 'refused' | 'denied'>
  begin(signal?: AbortSignal): Promise<UploadSession>
  append(session: UploadSession, chunk: Chunk, signal?: AbortSignal): Promise<UploadSession | SessionProblem>
  /** Ends the session, with its last bytes if there are any. */
  finish(
    session: UploadSession,
    digest: Digest,
    chunk?: Chunk,
    signal?: AbortSignal,
  ): Promise<'done' | SessionProblem>
  status(session: UploadSession, signal?: AbortSignal): Promise<UploadSession | 'lost'>
  /** Tells the destination that the session is not needed any more. Never throws. */
  abandon(session: UploadSession): Promise<void>
  /** The digest of a tag, or of a digest that the repository has; undefined when it has none. */
  resolve(reference: string, signal?: AbortSignal): Promise<Digest | undefined>
  manifest(reference: string, signal?: AbortSignal): Promise<Manifest | undefined>
  /** @returns `isListed`: the destination lists the manifest as a referrer of its subject. */
  putManifest(
    reference: string,
    manifest: Manifest,
    signal?: AbortSignal,
  ): Promise<{ readonly isListed: boolean }>
  referrers(digest: Digest, signal?: AbortSignal): Promise<ReferrerList>
}

/** A registry that images are pushed to, with certain credentials. */
export interface Destination {
  /** Its authority, `registry.site-b.example:5000`. */
  readonly name: string
  /** The same for the same registry and credentials, and for no others. Holds nothing secret. */
  readonly key: string
  /** An HMAC by the credentials: only who has the same makes the same. */
  seal(text: string): string
  repository(name: string): DestinationRepository
}
