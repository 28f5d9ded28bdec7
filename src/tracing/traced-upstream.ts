import type { BlobBody, Upstream, UpstreamRepository } from '../ports/upstream.ts'
import type { SpanAttributes, Tracer } from '../ports/tracing.ts'

/** `upstream`, with a span for every question. That of a blob ends with its bytes: one attempt to get them. */
export function tracedUpstream(upstream: Upstream, tracer: Tracer): Upstream {
  return {
    name: upstream.name,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    repository: (name) => tracedRepository(upstream.repository(name), upstream.name, name, tracer),
  }
}

function tracedRepository(
  repository: UpstreamRepository,
  upstream: string,
  name: string,
  tracer: Tracer,
): UpstreamRepository {
  async function ask<T>(what: string, attributes: SpanAttributes, work: () => Promise<T>): Promise<T> {
    const span = tracer.start(what, {
      'entrepot.upstream': upstream,
      'entrepot.repository': name,
      ...attributes,
    })
    if (span === undefined) return work()
    try {
      const value = await tracer.within(span, work)
      span.set({ 'entrepot.found': value !== undefined })
      span.end()
      return value
    } catch (error) {
      span.end(error)
      throw error
    }
  }

  const blob: UpstreamRepository['blob'] = async (digest, range, signal) => {
    const span = tracer.start('fetch blob', {
      'entrepot.upstream': upstream,
      'entrepot.repository': name,
      'entrepot.digest': digest,
      'entrepot.from_byte': range?.start ?? 0,
    })
    if (span === undefined) return repository.blob(digest, range, signal)
    try {
      const body = await tracer.within(span, () => repository.blob(digest, range, signal))
      if (body !== undefined)
        return followed(body, (bytes, failure) => {
          span.set({ 'entrepot.bytes': bytes })
          span.end(failure)
        })
      span.set({ 'entrepot.found': false })
      span.end()
      return undefined
    } catch (error) {
      span.end(error)
      throw error
    }
  }

  return {
    get isNearlyExhausted() {
      return repository.isNearlyExhausted
    },
    promisesBlobsAfter: repository.promisesBlobsAfter,
    resolve: (tag, signal) =>
      ask('ask for tag', { 'entrepot.tag': tag }, () => repository.resolve(tag, signal)),
    resolveByGet: (tag, signal) =>
      ask('ask for tag by GET', { 'entrepot.tag': tag }, () => repository.resolveByGet(tag, signal)),
    manifest: (digest, signal) =>
      ask('fetch manifest', { 'entrepot.digest': digest }, () => repository.manifest(digest, signal)),
    statBlob: (digest, signal) =>
      ask('ask for blob', { 'entrepot.digest': digest }, () => repository.statBlob(digest, signal)),
    blob,
    tags: {
      whole: (signal) => ask('fetch tags', {}, () => repository.tags.whole(signal)),
      page: (page, signal) => ask('fetch tags', {}, () => repository.tags.page(page, signal)),
    },
    referrers: (digest, signal) =>
      ask('fetch referrers', { 'entrepot.digest': digest }, () => repository.referrers(digest, signal)),
  }
}

/** `body`, with `ended` called once: when it has ended, failed, or was left. */
function followed(body: BlobBody, ended: (bytes: number, failure?: unknown) => void): BlobBody {
  const { reused } = body
  return {
    ...body,
    [Symbol.asyncIterator]: () => following(body, ended),
    ...(reused && { reused: { [Symbol.asyncIterator]: () => following(reused, ended) } }),
  }
}

function following(
  body: AsyncIterable<Buffer>,
  ended: (bytes: number, failure?: unknown) => void,
): AsyncIterator<Buffer, undefined> {
  const chunks = body[Symbol.asyncIterator]()
  let bytes = 0
  let isOver = false
  const end = (failure?: unknown): void => {
    if (!isOver) ended(bytes, failure)
    isOver = true
  }
  return {
    async next() {
      try {
        const step = await chunks.next()
        if (step.done) end()
        else bytes += step.value.length
        return step
      } catch (error) {
        end(error)
        throw error
      }
    },
    async return() {
      end()
      return (await chunks.return?.()) ?? { done: true, value: undefined }
    },
  }
}
