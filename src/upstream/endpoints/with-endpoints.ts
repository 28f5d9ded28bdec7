import { LRUCache } from 'lru-cache'
import { type EndpointOwners, type OwnedThing, ownerOfTag } from '../../ports/endpoint-owners.ts'
import type { Upstream, UpstreamRepository, UpstreamStatus } from '../../ports/upstream.ts'
import { type Answer, answerOf, withoutAnswer } from './fallback.ts'
import { withoutTag } from './without-tag.ts'

/** One of several addresses of an upstream. */
export interface Endpoint extends Pick<Upstream, 'isNearlyExhausted' | 'repository'> {
  readonly url: string
  readonly status: UpstreamStatus
}

/** Digests of which it is remembered who had them. The one used longest ago goes first. */
const MOST = 10_000

/**
 * Several endpoints as one upstream, asked in their order:
 *
 * - The next one is asked when an endpoint does not know the thing, denies it, or is out.
 * - An endpoint that has answered for a tag, or listed the tags of a repository, is the only one for it from
 *   then on, whatever fails later: another would say something else under the same name.
 * - Content is what its digest says. Whoever has sent it is asked first, and any other may send it.
 * - Those that are out are asked last. They refuse at once, so that what nobody else has is not taken for gone.
 *
 * An owner that is no endpoint any more owns nothing.
 */
export function withEndpoints(
  name: string,
  endpoints: readonly [Endpoint, ...(readonly Endpoint[])],
  owners: EndpointOwners,
): Upstream {
  const lastSeen = new LRUCache<string, Endpoint>({ max: MOST })

  const inOrder = (first: Endpoint | undefined): readonly Endpoint[] => {
    const order = first === undefined ? endpoints : [first, ...endpoints.filter((each) => each !== first)]
    const up = order.filter(({ status }) => status.state === 'up' || status.state === 'limited')
    return [...up, ...order.filter((each) => !up.includes(each))]
  }

  return {
    name,
    get isNearlyExhausted() {
      return inOrder(undefined)[0]!.isNearlyExhausted
    },
    repository(repository) {
      const byEndpoint = new Map(endpoints.map((endpoint) => [endpoint, endpoint.repository(repository)]))
      const named = { upstream: name, name: repository }

      async function ask<T>(
        candidates: readonly Endpoint[],
        request: (repository: UpstreamRepository) => Promise<T | undefined>,
        answered: (by: Endpoint) => void | Promise<void>,
        isAnswer: (value: T) => boolean = () => true,
      ): Promise<T | undefined> {
        const others: Exclude<Answer<never>, { kind: 'answered' }>[] = []
        let empty: T | undefined
        for (const endpoint of candidates) {
          const answer = await answerOf(request(byEndpoint.get(endpoint)!))
          if (answer.kind !== 'answered') others.push(answer)
          else if (isAnswer(answer.value)) {
            await answered(endpoint)
            return answer.value
          } else empty ??= answer.value
        }
        // An empty answer is one, whoever else denies the thing. Of those that are out nothing is known.
        withoutAnswer(empty === undefined ? others : others.filter(({ kind }) => kind === 'out'))
        return empty
      }

      /** A thing that is what its endpoint says. */
      function askOwner<T>(
        thing: OwnedThing,
        ownerUrl: string | undefined,
        request: (repository: UpstreamRepository) => Promise<T | undefined>,
      ): Promise<T | undefined> {
        const owner = endpoints.find(({ url }) => url === ownerUrl)
        const [candidates, replaced] = owner === undefined ? [inOrder(undefined), ownerUrl] : [[owner]]
        return ask(candidates, request, ({ url }) => owners.set(named, thing, url, replaced))
      }

      async function askForTag<T>(
        tag: string,
        request: (repository: UpstreamRepository) => Promise<T | undefined>,
      ): Promise<T | undefined> {
        return askOwner(`tag ${tag}`, (await ownerOfTag(owners, named, tag))?.url, request)
      }

      async function askForTags<T>(
        request: (repository: UpstreamRepository) => Promise<T | undefined>,
      ): Promise<T | undefined> {
        return askOwner('tags', await owners.get(named, 'tags'), request)
      }

      /** A thing that is what its digest says. */
      function askAny<T>(
        digest: string,
        request: (repository: UpstreamRepository) => Promise<T | undefined>,
        isAnswer?: (value: T) => boolean,
      ): Promise<T | undefined> {
        const key = `${repository} ${digest}`
        const answered = (by: Endpoint): void => void lastSeen.set(key, by)
        return ask(inOrder(lastSeen.get(key)), request, answered, isAnswer)
      }

      /** Who would be asked. */
      const first = (): UpstreamRepository => byEndpoint.get(inOrder(undefined)[0]!)!
      const whole: UpstreamRepository = {
        get isNearlyExhausted() {
          return first().isNearlyExhausted
        },
        get promisesBlobsAfter() {
          return first().promisesBlobsAfter
        },
        resolve: (tag, signal) => askForTag(tag, (each) => each.resolve(tag, signal)),
        resolveByGet: (tag, signal) => askForTag(tag, (each) => each.resolveByGet(tag, signal)),
        manifest: (digest, signal) => askAny(digest, (each) => each.manifest(digest, signal)),
        statBlob: (digest, signal) => askAny(digest, (each) => each.statBlob(digest, signal)),
        blob: (digest, range, signal) =>
          askAny(digest, async (each) => withoutTag(await each.blob(digest, range, signal))),
        tags: {
          whole: (signal) => askForTags((each) => each.tags.whole(signal)),
          page: (page, signal) => askForTags((each) => each.tags.page(page, signal)),
        },
        referrers: async (digest, signal) =>
          (await askAny(
            digest,
            (each) => each.referrers(digest, signal),
            ({ referrers }) => referrers.length > 0,
          ))!,
      }
      return whole
    },
  }
}
