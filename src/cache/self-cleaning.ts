import type { Digest } from '../oci/digest.ts'
import type { RemoteBlobs } from '../ports/remote-blobs.ts'

export interface SelfCleaning {
  /** The blobs without those that were found damaged. */
  readonly blobs: RemoteBlobs
  /** Removes a blob whose bytes were found not to match its digest. */
  damaged(digest: Digest): Promise<void>
}

/**
 * Nobody learns that a damaged blob is there while it is being removed: an intact one would not be uploaded in
 * its place.
 */
export function selfCleaning(remote: RemoteBlobs, failed: (error: unknown) => void): SelfCleaning {
  const removals = new Map<Digest, Promise<void>>()
  return {
    blobs: {
      ...remote,
      async stat(digest, signal) {
        await removals.get(digest)
        return remote.stat(digest, signal)
      },
    },
    damaged(digest) {
      const removal =
        removals.get(digest) ??
        remote
          .delete(digest)
          .catch(failed)
          .finally(() => removals.delete(digest))
      removals.set(digest, removal)
      return removal
    },
  }
}
