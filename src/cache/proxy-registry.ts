import { LRUCache } from 'lru-cache'
import { RegistryError } from '../oci/errors.ts'
import type { ImageName } from '../oci/image-pattern.ts'
import type { LinkIndex, ReferenceIndex, TagIndex } from '../ports/metadata.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { ManifestProvider, Registry, Repository, TagService } from '../ports/repository.ts'
import type { ImageTelemetry } from '../ports/telemetry.ts'
import type { Upstream } from '../ports/upstream.ts'
import { unnoticed } from './asking.ts'
import type { Asking } from '../ports/read-options.ts'
import { blobSizes } from './blob-sizes.ts'
import { failOpenIndexes } from './fail-open-indexes.ts'
import type { FreshnessPolicy } from './tags/freshness.ts'
import { negativeCache } from './negative.ts'
import { proxyBlobStore } from './proxy-blob-store.ts'
import { proxyManifestStore } from './proxy-manifest-store.ts'
import { proxyReferrersService, referrerLists } from './proxy-referrers-service.ts'
import { proxyTagService } from './tags/proxy-tag-service.ts'
import { readPermissions } from './read-permission.ts'
import { type RepositoryRules, repositoryRules } from './repository-rules.ts'
import type { Router } from './routing.ts'
import { tagLists } from './tags/tag-lists.ts'
import type { DownloadManager } from '../download/manager.ts'

export interface ProxyRegistryOptions {
  readonly route: Router
  /** By name. It has every upstream that `route` returns. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  /** Which repositories clients may pull from the upstream of this name. */
  readonly rules?: (upstream: string) => RepositoryRules
  readonly store: {
    readonly blobs: BlobStore
    readonly links: LinkIndex
    readonly references: ReferenceIndex
    readonly tags: TagIndex
  }
  readonly downloads: DownloadManager
  /** The other replicas, where there are any. */
  readonly cluster?: Cluster | undefined
  readonly freshness: FreshnessPolicy
  /** Milliseconds that "does not exist" is remembered. */
  readonly negative: number
  /** Milliseconds that tag lists and referrers are served without asking upstream. */
  readonly lists: number
  readonly storeFailed: (error: unknown) => void
  readonly telemetry?: ImageTelemetry
  /** Omitted: nobody wants to know what answers cost. */
  readonly asking?: Asking
  /** Whether a tag that upstream has deleted is served all the same. Left out: none is. */
  readonly isKept?: (image: ImageName) => boolean
  /** What clients see of the tags of a repository. Left out: what upstream says. */
  readonly tagsSeen?: (repository: RepositoryName, tags: TagService) => TagService
  /** The manifests that clients get of a repository. Left out: what upstream has. */
  readonly manifestsSeen?: (repository: Pick<Repository, 'name' | 'blobs' | 'manifests'>) => ManifestProvider
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** A repository takes some 12 KB, and clients choose the names: 12 MB. */
const KEPT_REPOSITORIES = 1_000

/** The cache as a registry: every repository of every upstream, through the cache. */
export function proxyRegistry(options: ProxyRegistryOptions): Registry {
  const { route, upstreams, store, downloads, cluster, freshness, telemetry, now } = options
  const { tagsSeen = (_, tags) => tags, asking = unnoticed } = options
  const { manifestsSeen = ({ manifests }) => manifests } = options
  const absent = negativeCache(options.negative, cluster)
  const sizes = blobSizes()
  const { lists, negative } = options
  const listFreshness = { lists, negative, staleIfError: freshness.staleIfError, asking, now }
  const { links, references, tags } = failOpenIndexes(store.links, store.references, store.tags)
  const content = { local: store.blobs, sizes, absent, asking, cluster }
  const permissionsOf = readPermissions({ links, absent, asking })
  const blobsOf = proxyBlobStore({ ...content, downloads })
  const { storeFailed } = options
  const manifestsOf = proxyManifestStore({ ...content, references, storeFailed, telemetry })
  const tagsOf = proxyTagService({
    index: tags,
    policy: freshness,
    absent,
    asking,
    cluster,
    lists: tagLists(listFreshness),
    telemetry,
    isKept: options.isKept,
    now,
  })
  const referrersOf = proxyReferrersService(referrerLists(listFreshness))

  const refusals = new Map(
    [...upstreams.keys()].map((name) => [name, repositoryRules(options.rules?.(name) ?? {})]),
  )
  // Repositories have no state but their name. They are kept because most requests are for few of them: by
  // name, and then by upstream, which spares joining the two to a key.
  const repositories = new LRUCache<string, ReadonlyMap<string, Repository>>({
    maxSize: KEPT_REPOSITORIES,
    sizeCalculation: ({ size }) => size,
  })

  return {
    find(address) {
      const name = route(address)
      if (name === undefined) return undefined
      const sameName = repositories.get(name.name)
      const known = sameName?.get(name.upstream)
      if (known !== undefined) return known
      const rule = refusals.get(name.upstream)!(name.name)
      if (rule !== undefined)
        throw new RegistryError('DENIED', { upstream: name.upstream, repository: name.name, rule })
      const repository = repositoryOf(name)
      repositories.set(name.name, new Map([...(sameName ?? []), [name.upstream, repository]]))
      return repository
    },
  }

  function repositoryOf(name: RepositoryName): Repository {
    const upstream = upstreams.get(name.upstream)!.repository(name.name)
    const permission = permissionsOf(name, upstream)
    const manifests = manifestsOf(name, upstream, permission)
    const blobs = blobsOf(name, upstream, permission)
    return {
      name,
      manifests: manifestsSeen({ name, manifests, blobs }),
      blobs,
      tags: tagsSeen(name, tagsOf(name, upstream, manifests)),
      referrers: referrersOf(name, upstream),
    }
  }
}
