import type { Digest } from '../../oci/digest.ts'
import { mayServeStale, isRegistryError } from '../../oci/errors.ts'
import type { ImageName } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { TagEntry, TagIndex } from '../../ports/metadata.ts'
import type { Cluster } from '../../ports/cluster.ts'
import type { Asking, CacheStatus, ReadOptions } from '../../ports/read-options.ts'
import type { TagService } from '../../ports/repository.ts'
import type { ImageTelemetry } from '../../ports/telemetry.ts'
import type { ResolvedTag, UpstreamRepository } from '../../ports/upstream.ts'
import { whenKnown } from '../../util/async/maybe.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import { type Freshness, type FreshnessPolicy, freshnessOf } from './freshness.ts'
import { contentKey } from '../keys.ts'
import type { NegativeCache } from '../negative.ts'
import type { ManifestCache } from '../proxy-manifest-store.ts'
import { listTags, type TagLists } from './tag-lists.ts'
import { isStaleFallback, staleFallbackSignal } from './stale-fallback.ts'

/** An answer about a tag; without an entry, it does not exist. */
interface Answer {
  readonly entry: TagEntry | undefined
}

export interface ProxyTagServiceOptions {
  readonly index: TagIndex
  readonly policy: FreshnessPolicy
  readonly absent: NegativeCache
  readonly asking: Asking
  readonly lists: TagLists
  /** The other replicas, where there are any. */
  readonly cluster?: Pick<Cluster, 'once' | 'latestTag'> | undefined
  readonly telemetry?: Pick<ImageTelemetry, 'resolved'> | undefined
  /** Whether a tag that upstream has deleted is served all the same. Omitted: none is. */
  readonly isKept?: ((image: ImageName) => boolean) | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * A repository's tags: from the index while fresh. Past that, one HEAD upstream tells whether the tag moved,
 * however many clients ask. While upstream is unavailable the last known digest is served, for a limited
 * time. It is not served once upstream has said that the tag is gone, unless a rule keeps it, or that we may
 * not read it.
 */
export function proxyTagService(
  options: ProxyTagServiceOptions,
): (repository: RepositoryName, upstream: UpstreamRepository, manifests: ManifestCache) => TagService {
  const { index, policy, absent, asking, lists, cluster, telemetry, isKept, now } = options
  const checks = singleFlight<TagEntry | undefined>()

  return (repository, upstream, manifests) => {
    return {
      resolve(tag, options) {
        return whenKnown(index.get(repository, tag), (entry) => {
          if (entry === undefined) {
            // Nothing is learnt from an upstream that is not asked: the history of the tag stays as it is.
            if (policy.isOffline?.(repository.upstream) === true) return undefined
            return revalidate(tag, undefined, undefined, options)
          }
          if (options?.noCache === true) return revalidate(tag, entry, undefined, options)
          const freshness = freshnessOf(
            repository.upstream,
            tag,
            entry,
            now(),
            policy,
            upstream.isNearlyExhausted,
          )
          if (freshness.state !== 'fresh') return revalidate(tag, entry, freshness, options)
          const { ttl } = freshness
          options?.report?.(
            entry.goneAt === undefined ? { result: 'hit', ttl } : { result: 'hit', ttl, ...DELETED },
          )
          return entry.digest
        })
      },

      list: (page, read) => listTags({ lists, asking }, repository, upstream, page, read),
    }

    async function revalidate(
      tag: string,
      entry: TagEntry | undefined,
      freshness: Freshness | undefined,
      options?: ReadOptions,
    ): Promise<Digest | undefined> {
      const key = contentKey(repository, `tag ${tag}`)
      if (options?.noCache !== true && absent.has(key)) {
        options?.report?.({ result: 'negative' })
        return undefined
      }
      const wait = () =>
        freshness?.state === 'stale' ? staleFallbackSignal(options?.signal) : options?.signal
      try {
        const { value, joined } = await asking(options, () =>
          checks.run(key, () => check(tag, key, entry, options?.noCache === true), wait()),
        )
        const result = joined ? 'collapsed' : entry === undefined ? 'miss' : 'revalidated'
        options?.report?.({
          result,
          forwardStatus: value === undefined || value.goneAt !== undefined ? 404 : 200,
          stored: value !== undefined && value.goneAt === undefined,
          ...(value && mark(value)),
        })
        return value?.digest
      } catch (error) {
        const isExcused = mayServeStale(error) || isStaleFallback(error, options?.signal)
        if (!isExcused || entry === undefined || freshness?.state !== 'stale') throw error
        options?.report?.({
          result: 'stale',
          ttl: freshness.ttl,
          ...(isRegistryError(error) && { outage: error }),
        })
        return entry.digest
      }
    }

    async function check(
      tag: string,
      key: string,
      entry: TagEntry | undefined,
      isForced: boolean,
    ): Promise<TagEntry | undefined> {
      const ask = async (): Promise<Answer> => ({ entry: await checkUpstream(tag, key, entry) })
      if (cluster === undefined) return (await ask()).entry
      const begunAt = now()
      const found = (): Promise<Answer | undefined> => fromOthers(tag, entry, { begunAt, isForced })
      return (await cluster.once(key, found, ask, (answer) => answer.entry?.digest)).entry
    }

    /** What another replica has learnt, if it is fresh, or was learnt while this one waited. */
    async function fromOthers(
      tag: string,
      entry: TagEntry | undefined,
      { begunAt, isForced }: { readonly begunAt: number; readonly isForced: boolean },
    ): Promise<Answer | undefined> {
      const latest = await cluster!.latestTag(repository, tag)
      if (latest === undefined || latest.checkedAt <= (entry?.checkedAt ?? -Infinity)) return undefined
      const { digest, ...seen } = latest
      const isNew = seen.checkedAt >= begunAt
      if (digest === undefined) return isNew ? { entry: undefined } : undefined
      const known = { digest, ...seen }
      const { isNearlyExhausted } = upstream
      const { state } = freshnessOf(repository.upstream, tag, known, now(), policy, isNearlyExhausted)
      if (!isNew && (isForced || state !== 'fresh')) return undefined
      if (seen.goneAt !== undefined) {
        return { entry: isKept?.({ repository, tag, digest }) === true ? known : undefined }
      }
      if (digest !== entry?.digest && (await manifests.get(digest, BY_US)) === undefined) return undefined
      return { entry: known }
    }

    async function checkUpstream(
      tag: string,
      key: string,
      entry: TagEntry | undefined,
    ): Promise<TagEntry | undefined> {
      const resolved = await upstream.resolve(tag)
      const digest =
        (await fetched(resolved, entry)) ??
        (resolved && (await fetched(await upstream.resolveByGet(tag), entry)))
      if (digest === undefined) return gone(tag, key, entry)
      const confirmed = { digest, checkedAt: now() }
      await index.set(repository, tag, confirmed)
      telemetry?.resolved(repository, tag, digest, entry?.digest)
      return confirmed
    }

    async function gone(
      tag: string,
      key: string,
      entry: TagEntry | undefined,
    ): Promise<TagEntry | undefined> {
      if (entry !== undefined && isKept?.({ repository, tag, digest: entry.digest }) === true) {
        const checkedAt = now()
        const kept = { digest: entry.digest, checkedAt, goneAt: entry.goneAt ?? checkedAt }
        await index.set(repository, tag, kept)
        return kept
      }
      absent.add(key)
      await index.remove(repository, tag)
      return undefined
    }

    /**
     * The digest, once its manifest is stored: an outage between two requests must not leave the tag pointing
     * at nothing.
     *
     * @returns undefined when upstream does not have the manifest, whatever it said of the tag
     */
    async function fetched(
      resolved: ResolvedTag | undefined,
      entry: TagEntry | undefined,
    ): Promise<Digest | undefined> {
      if (resolved === undefined) return undefined
      const { digest, manifest } = resolved
      if (manifest !== undefined) await manifests.put(manifest)
      // Upstream has just said that it is there, whatever it said before.
      else if (
        digest !== entry?.digest &&
        (await manifests.get(digest, { ...BY_US, noCache: true })) === undefined
      )
        return undefined
      return digest
    }
  }
}

function mark({ goneAt }: TagEntry): Pick<CacheStatus, 'detail'> | undefined {
  return goneAt === undefined ? undefined : DELETED
}

const DELETED = { detail: 'deleted' } as const
/** The client has not asked for this manifest yet. */
const BY_US = { isByJob: true } as const
