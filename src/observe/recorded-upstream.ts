import { isRegistryError } from '../oci/errors.ts'
import type { Upstream, UpstreamRepository } from '../ports/upstream.ts'
import type { Answer, Answers } from './answers.ts'

/** An upstream whose answers are recorded. A request that was not sent, or that its caller left, is none. */
export function recordedUpstream(
  upstream: Upstream,
  answers: Pick<Answers, 'record'>,
  now: () => number,
): Upstream {
  return {
    name: upstream.name,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    repository(name) {
      const repository = upstream.repository(name)

      const recording = async <T>(
        kind: Answer['kind'],
        reference: string | undefined,
        ask: () => Promise<T>,
      ): Promise<T> => {
        const at = now()
        const record = (answer: Pick<Answer, 'outcome' | 'detail'>): void =>
          answers.record(upstream.name, name, {
            at,
            kind,
            ...(reference !== undefined && { reference }),
            ...answer,
            milliseconds: now() - at,
          })
        try {
          const value = await ask()
          record({ outcome: value === undefined ? 'absent' : 'found' })
          return value
        } catch (error) {
          if (isRegistryError(error) && error.detail['asked'] === undefined)
            record({ outcome: error.code, detail: error.detail })
          throw error
        }
      }

      const recorded: UpstreamRepository = {
        get isNearlyExhausted() {
          return repository.isNearlyExhausted
        },
        promisesBlobsAfter: repository.promisesBlobsAfter,
        resolve: (tag, signal) => recording('tag', tag, () => repository.resolve(tag, signal)),
        resolveByGet: (tag, signal) => recording('tag', tag, () => repository.resolveByGet(tag, signal)),
        manifest: (digest, signal) =>
          recording('manifest', digest, () => repository.manifest(digest, signal)),
        statBlob: (digest, signal) =>
          recording('blob size', digest, () => repository.statBlob(digest, signal)),
        blob: (digest, range, signal) =>
          recording('blob', digest, () => repository.blob(digest, range, signal)),
        tags: {
          whole: (signal) => recording('tags', undefined, () => repository.tags.whole(signal)),
          page: (page, signal) => recording('tags', undefined, () => repository.tags.page(page, signal)),
        },
        referrers: (digest, signal) =>
          recording('referrers', digest, () => repository.referrers(digest, signal)),
      }
      return recorded
    },
  }
}
