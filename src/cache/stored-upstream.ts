import { RegistryError } from '../oci/errors.ts'
import { referrerList, referrersIn, referrersTag } from '../oci/referrers.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { TagList } from '../oci/tag-list.ts'
import { type BlobStore, isInMemory } from '../ports/blob-store.ts'
import type { TagNames, TagPeek } from '../ports/metadata.ts'
import type { Upstream, UpstreamRepository } from '../ports/upstream.ts'
import { readContent } from './memory/read-content.ts'

export interface StoredUpstreamOptions {
  readonly blobs: BlobStore
  readonly tags: TagPeek & TagNames
}

/** Longer lists of referrers are not read. */
const LONGEST = 4 * 1024 * 1024

/**
 * An upstream that is never asked: what the store does not have of it does not exist. It lists the tags that
 * are known. Referrers are those under the tag of the distribution spec's "Referrers Tag Schema", where an
 * import puts them.
 */
export function storedUpstream(name: string, { blobs, tags }: StoredUpstreamOptions): Upstream {
  return {
    name,
    isNearlyExhausted: false,
    repository: (repository) => repositoryOf({ upstream: name, name: repository }),
  }

  function repositoryOf(repository: RepositoryName): UpstreamRepository {
    return {
      isNearlyExhausted: false,
      promisesBlobsAfter: undefined,
      resolve: nothing,
      resolveByGet: nothing,
      manifest: nothing,
      statBlob: nothing,
      blob: nothing,
      tags: {
        async whole() {
          const names = await tags.names(repository)
          return names.length === 0 ? undefined : TagList.of(names)
        },
        page: nothing,
      },
      async referrers(digest) {
        const entry = await tags.peek(repository, referrersTag(digest))
        const opened = entry && (await blobs.open(entry.digest))
        if (opened === undefined) return referrerList([])
        if (isInMemory(opened)) return referrerList(referrersIn(opened.bytes) ?? [])
        if (opened.descriptor.size > LONGEST) {
          await opened[Symbol.asyncDispose]()
          throw new RegistryError('UPSTREAM_INVALID', {
            upstream: name,
            reason: 'list of referrers too long',
          })
        }
        const content = await readContent(opened)
        return referrerList((content && referrersIn(content.bytes)) ?? [])
      },
    }
  }
}

async function nothing(): Promise<undefined> {
  return undefined
}
