import type { Digest } from '../oci/digest.ts'
import { isOutage } from '../oci/errors.ts'
import type { TagEntry, TagIndex } from '../ports/metadata.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Page, TagPage, TagService } from '../ports/repository.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import { type FreshnessPolicy, freshnessOf } from './freshness.ts'
import { contentKey } from './keys.ts'
import type { Memory } from './recalled.ts'
import type { NegativeCache } from './negative.ts'
import type { ManifestCache } from './proxy-manifest-store.ts'
import { isImpatience, patience } from './stale-fallback.ts'
import type { ShortTermCache } from './lists.ts'
import { singleFlight } from '../util/single-flight.ts'

export interface ProxyTagServiceOptions {
  readonly index: TagIndex
  readonly memory?: Memory
  readonly policy: FreshnessPolicy
  readonly absent: NegativeCache
  readonly pages: ShortTermCache<TagPage>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * A repository's tags: from the index while fresh; past that one HEAD upstream tells whether the tag moved, however many clients
 * ask. While upstream is out of order the last known digest is served, for a limited time; once upstream has said that the tag is
 * gone, or that it is not ours to read, it is not.
 */
export function proxyTagService(
  options: ProxyTagServiceOptions,
): (repository: RepositoryName, upstream: UpstreamRepository, manifests: ManifestCache) => TagService {
  const { index, memory, policy, absent, pages, now } = options
  const checks = singleFlight<Digest | undefined>()

  return (repository, upstream, manifests) => {
    const judge = (tag: string, entry: TagEntry) =>
      freshnessOf(tag, entry, now(), policy, upstream.isNearlyExhausted)

    return {
      recall(tag, report) {
        const entry = memory?.tag(repository, tag)
        const freshness = entry && judge(tag, entry)
        if (freshness?.state !== 'fresh') return undefined
        report({ result: 'hit', ttl: freshness.ttl })
        return entry!.digest
      },

      async resolve(tag, options) {
        const entry = await index.get(repository, tag)
        const freshness = entry && judge(tag, entry)
        if (entry !== undefined && freshness?.state === 'fresh') {
          options?.report?.({ result: 'hit', ttl: freshness.ttl })
          return entry.digest
        }
        const key = contentKey(repository, `tag ${tag}`)
        if (absent.has(key)) {
          options?.report?.({ result: 'negative' })
          return undefined
        }
        const wait = freshness?.state === 'stale' ? patience(options?.signal) : options?.signal
        try {
          const { value, joined } = await checks.run(key, () => check(tag, key, entry), wait)
          const result = joined ? 'collapsed' : entry === undefined ? 'miss' : 'revalidated'
          options?.report?.({
            result,
            forwardStatus: value === undefined ? 404 : 200,
            stored: value !== undefined,
          })
          return value
        } catch (error) {
          const excused = isOutage(error) || isImpatience(error, options?.signal)
          if (!excused || entry === undefined || freshness?.state !== 'stale') throw error
          options?.report?.({ result: 'stale', ttl: freshness.ttl })
          return entry.digest
        }
      },

      list: (page: Page, read?: ReadOptions) =>
        pages.get(
          contentKey(repository, `${page.n ?? ''} ${page.last ?? ''}`),
          () => upstream.tags(page),
          read,
        ),
    }

    async function check(tag: string, key: string, entry: TagEntry | undefined): Promise<Digest | undefined> {
      const resolved = await upstream.resolve(tag)
      if (resolved === undefined) {
        absent.add(key)
        await index.remove(repository, tag)
        return undefined
      }
      const { digest, manifest } = resolved
      if (manifest !== undefined) await manifests.put(manifest)
      // The tag moves only to what is here: an outage between the two requests must not leave it pointing at nothing.
      else if (digest !== entry?.digest && (await manifests.get(digest)) === undefined) return undefined
      await index.set(repository, tag, { digest, checkedAt: now() })
      return digest
    }
  }
}
