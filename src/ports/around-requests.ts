import type { Upstream } from './upstream.ts'

/** One request to a repository of an upstream. */
export interface UpstreamRequestInfo {
  readonly kind: 'tag' | 'manifest' | 'blob' | 'blob size' | 'tags' | 'referrers'
  /** The tag or the digest. */
  readonly reference?: string
  readonly signal?: AbortSignal | undefined
}

/** Does a request by calling `ask`, once, several times or never. */
export type AroundRequest = <T>(request: UpstreamRequestInfo, ask: () => Promise<T>) => Promise<T>

/** `upstream`, with `around` of its repository around each request. */
export function aroundRequests(upstream: Upstream, around: (repository: string) => AroundRequest): Upstream {
  return {
    name: upstream.name,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    repository(name) {
      const repository = upstream.repository(name)
      const { tags } = repository
      const send = around(name)
      return {
        get isNearlyExhausted() {
          return repository.isNearlyExhausted
        },
        promisesBlobsAfter: repository.promisesBlobsAfter,
        resolve: (tag, signal) =>
          send({ kind: 'tag', reference: tag, signal }, () => repository.resolve(tag, signal)),
        resolveByGet: (tag, signal) =>
          send({ kind: 'tag', reference: tag, signal }, () => repository.resolveByGet(tag, signal)),
        manifest: (digest, signal) =>
          send({ kind: 'manifest', reference: digest, signal }, () => repository.manifest(digest, signal)),
        statBlob: (digest, signal) =>
          send({ kind: 'blob size', reference: digest, signal }, () => repository.statBlob(digest, signal)),
        blob: (digest, range, signal) =>
          send({ kind: 'blob', reference: digest, signal }, () => repository.blob(digest, range, signal)),
        tags: {
          whole: (signal) => send({ kind: 'tags', signal }, () => tags.whole(signal)),
          page: (page, signal) => send({ kind: 'tags', signal }, () => tags.page(page, signal)),
        },
        referrers: (digest, signal) =>
          send({ kind: 'referrers', reference: digest, signal }, () => repository.referrers(digest, signal)),
      }
    },
  }
}
