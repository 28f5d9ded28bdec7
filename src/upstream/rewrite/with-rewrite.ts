import { LRUCache } from 'lru-cache'
import type { UpstreamRepository } from '../../ports/upstream.ts'
import { type Answer, answerOf, withoutAnswer } from '../endpoints/fallback.ts'
import { withoutTag } from '../endpoints/without-tag.ts'
import type { OpenUpstream } from '../open-upstream.ts'
import { type RewriteRule, rewriteRules } from './rewrite-rules.ts'

/** Repositories of which it is remembered by which name content was found last. */
const MOST = 10_000

/** How the names of one repository are asked for something. */
interface Search<T> {
  /** Whether an answer ends the search. Omitted: every one does. */
  readonly isFound?: (value: T) => boolean
  /** It is what its digest says: any name may have it, also while another one is out. */
  readonly isContent?: boolean
}

/**
 * An upstream whose repositories have a second name there by `rules`:
 *
 * - A tag, and the list of tags, is asked for by the second name where the first one is unknown or denied. It
 *   is not while the first one is out: the other would say something else.
 * - With `always`, only the second name is asked for those.
 * - Content is what its digest says. It is asked for by both names, first by the one that had some last.
 *
 * What is learnt counts for the name that was asked for.
 */
export function withRewrite(upstream: OpenUpstream, rules: readonly RewriteRule[]): OpenUpstream {
  const otherName = rewriteRules(rules)
  const lastFound = new LRUCache<string, string>({ max: MOST })

  function repository(asked: string): UpstreamRepository {
    const other = otherName(asked)
    if (other === undefined) return upstream.repository(asked)
    const names: readonly string[] = other.always ? [other.name, asked] : [asked, other.name]
    const byName = new Map(names.map((name) => [name, upstream.repository(name)]))
    const first = byName.get(names[0]!)!
    const speakers = other.always ? [other.name] : names

    async function search<T>(
      candidates: readonly string[],
      request: (repository: UpstreamRepository) => Promise<T | undefined>,
      { isFound = () => true, isContent = false }: Search<T> = {},
    ): Promise<T | undefined> {
      const others: Exclude<Answer<never>, { kind: 'answered' }>[] = []
      let empty: T | undefined
      for (const name of candidates) {
        const answer = await answerOf(request(byName.get(name)!))
        if (answer.kind === 'out' && !isContent) throw answer.error
        if (answer.kind !== 'answered') others.push(answer)
        else if (isFound(answer.value)) {
          if (isContent) lastFound.set(asked, name)
          return answer.value
        } else empty ??= answer.value
      }
      return empty ?? withoutAnswer(others)
    }

    const content = <T>(request: (repository: UpstreamRepository) => Promise<T | undefined>) =>
      search(lastFound.get(asked) === names[1] ? names.toReversed() : names, request, { isContent: true })

    return {
      get isNearlyExhausted() {
        return first.isNearlyExhausted
      },
      promisesBlobsAfter: first.promisesBlobsAfter,
      resolve: (tag, signal) => search(speakers, (each) => each.resolve(tag, signal)),
      resolveByGet: (tag, signal) => search(speakers, (each) => each.resolveByGet(tag, signal)),
      manifest: (digest, signal) => content((each) => each.manifest(digest, signal)),
      statBlob: (digest, signal) => content((each) => each.statBlob(digest, signal)),
      blob: (digest, range, signal) =>
        content(async (each) => withoutTag(await each.blob(digest, range, signal))),
      tags: {
        whole: (signal) => search(speakers, (each) => each.tags.whole(signal)),
        page: (page, signal) => search(speakers, (each) => each.tags.page(page, signal)),
      },
      referrers: async (digest, signal) =>
        (await search(names, (each) => each.referrers(digest, signal), {
          isFound: ({ referrers }) => referrers.length > 0,
        }))!,
    }
  }

  return {
    name: upstream.name,
    url: upstream.url,
    endpoints: upstream.endpoints,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    get status() {
      return upstream.status
    },
    repository,
    search: upstream.search,
    heard: upstream.heard,
    offlineChanged: () => upstream.offlineChanged(),
    abandon: () => upstream.abandon(),
    close: () => upstream.close(),
  }
}
