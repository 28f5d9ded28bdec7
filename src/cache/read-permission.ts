import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { LinkIndex } from '../ports/metadata.ts'
import type { Asking, ReadOptions } from '../ports/read-options.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import type { Maybe } from '../util/async/maybe.ts'
import { singleFlight } from '../util/async/single-flight.ts'
import { blobKey } from './keys.ts'
import type { NegativeCache } from './negative.ts'

/** One repository's right to read content that the store has. */
export interface ReadPermission {
  /** Whether the repository has proved that it contains this digest. */
  isGranted(digest: Digest): boolean | Promise<boolean>
  /**
   * Whether upstream is believed when it says that the repository contains this blob: it has sent the bytes
   * before.
   */
  isProvable(digest: Digest): Promise<boolean>
  /**
   * Whether nobody knows any more where a stored blob came from, because the index was lost. Upstream may
   * then prove by bytes that it has it. Where others are known to have brought it in, that would tell
   * upstream what they have.
   */
  isOfUnknownOrigin(digest: Digest): Promise<boolean>
  /**
   * Asks upstream, by HEAD, whether the repository contains this blob, and grants the right where upstream is
   * believed.
   *
   * @returns undefined when upstream does not know the blob there
   */
  prove(digest: Digest, options?: ReadOptions): Promise<Descriptor | undefined>
  /** For content that upstream has just sent for this repository, and the media type that it gave it. */
  grant(digest: Digest, mediaType?: string): Promise<void>
  /** The media type that upstream gave the content in this repository, where that is known. */
  mediaType(digest: Digest): Maybe<string>
}

export interface ReadPermissionOptions {
  readonly links: LinkIndex
  readonly absent: NegativeCache
  readonly asking: Asking
}

/**
 * Why a blob is refused to a repository. Bytes are shared by digest, the right to read them is not: a
 * repository has to prove once, upstream, that it contains the content that another one brought in.
 *
 * An upstream that has sent the bytes once is believed when it says so of another of its repositories. One
 * that never has must send them: otherwise whoever controls it, and knows a digest, could read private
 * content of others.
 */
export function readPermissions({
  links,
  absent,
  asking,
}: ReadPermissionOptions): (repository: RepositoryName, upstream: UpstreamRepository) => ReadPermission {
  const proofs = singleFlight<Descriptor | undefined>()

  return (repository, upstream) => {
    const isProvable = (digest: Digest) => links.knows(repository.upstream, digest)
    const grant = (digest: Digest, mediaType?: string) => links.add(repository, digest, mediaType)

    return {
      isGranted: (digest) => links.has(repository, digest),
      mediaType: (digest) => links.mediaType(repository, digest),
      isProvable,
      isOfUnknownOrigin: async (digest) => !(await links.isLinked(digest)),
      grant,
      async prove(digest, options) {
        const key = blobKey(repository, digest)
        if (absent.has(key)) {
          options?.report?.({ result: 'negative' })
          return undefined
        }
        const { value, joined } = await asking(options, () =>
          proofs.run(key, () => upstream.statBlob(digest), options?.signal),
        )
        if (value === undefined) absent.add(key)
        else if (await isProvable(digest)) await grant(digest)
        options?.report?.({
          result: joined ? 'collapsed' : 'miss',
          forwardStatus: value === undefined ? 404 : 200,
        })
        return value
      },
    }
  }
}
