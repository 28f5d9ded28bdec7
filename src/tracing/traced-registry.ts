import { type BlobReader, isInMemory, type OpenedBlob } from '../ports/blob-store.ts'
import type { CacheStatus, ReadOptions } from '../ports/read-options.ts'
import type { Registry, Repository } from '../ports/repository.ts'
import type { SpanAttributes, Tracer } from '../ports/tracing.ts'
import type { Maybe } from '../util/async/maybe.ts'

/** `registry`, whose reads are parts of the traces that they are done for. */
export function tracedRegistry(registry: Registry, tracer: Tracer): Registry {
  const traced = new WeakMap<Repository, Repository>()
  return {
    find(address) {
      const found = registry.find(address)
      if (found === undefined) return undefined
      const known = traced.get(found)
      if (known !== undefined) return known
      const repository = tracedRepository(found, tracer)
      traced.set(found, repository)
      return repository
    },
  }
}

function tracedRepository(repository: Repository, tracer: Tracer): Repository {
  const { name, blobs, manifests, tags, referrers } = repository

  /** Runs a read as a span, with how its answer came about. `undefined` = it does not exist. */
  function read<R extends Maybe<unknown>>(
    what: string,
    attributes: SpanAttributes,
    options: ReadOptions | undefined,
    work: (options: ReadOptions | undefined) => R,
  ): R {
    const span = tracer.start(what, {
      'entrepot.upstream': name.upstream,
      'entrepot.repository': name.name,
      ...attributes,
    })
    if (span === undefined) return work(options)
    const end = (value: unknown): void => {
      span.set({ 'entrepot.found': value !== undefined, 'entrepot.source': sourceOf(value) })
      span.end()
    }
    const report = (status: CacheStatus): void => {
      span.set({ 'entrepot.cache': status.result, 'entrepot.upstream_status': status.forwardStatus })
      options?.report?.(status)
    }
    try {
      const answer = tracer.within(span, () => work(reporting(options, report)))
      if (answer instanceof Promise) answer.then(end, (error: unknown) => span.end(error))
      else end(answer)
      return answer
    } catch (error) {
      span.end(error)
      throw error
    }
  }

  return {
    name,
    blobs: {
      stat: (digest, options) =>
        read('stat blob', { 'entrepot.digest': digest }, options, (own) => blobs.stat(digest, own)),
      open: (digest, options) =>
        read('open blob', { 'entrepot.digest': digest }, options, (own) => blobs.open(digest, own)),
    },
    manifests: {
      get: (digest, options) =>
        read('get manifest', { 'entrepot.digest': digest }, options, (own) => manifests.get(digest, own)),
    },
    tags: {
      resolve: (tag, options) =>
        read('resolve tag', { 'entrepot.tag': tag }, options, (own) => tags.resolve(tag, own)),
      list: (page, options) => read('list tags', {}, options, (own) => tags.list(page, own)),
    },
    referrers: {
      list: (digest, options) =>
        read('list referrers', { 'entrepot.digest': digest }, options, (own) => referrers.list(digest, own)),
    },
  }
}

function sourceOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('descriptor' in value)) return undefined
  const blob = value as OpenedBlob
  if (isInMemory(blob)) return 'memory'
  if ((blob as BlobReader).location !== undefined) return 'redirect'
  return 'read' in blob ? ((blob as BlobReader).file === undefined ? 'download' : 'store') : undefined
}

/** The same options but for `report`. The others are read when they are wanted: some are made then. */
function reporting(options: ReadOptions | undefined, report: (status: CacheStatus) => void): ReadOptions {
  const properties: Record<keyof ReadOptions, PropertyDescriptor> = {
    signal: { get: () => options?.signal },
    client: { get: () => options?.client },
    beforeAsking: { value: () => options?.beforeAsking?.() },
    asked: { value: (seconds: number) => options?.asked?.(seconds) },
    weighed: { value: (weight: number) => options?.weighed?.(weight) },
    isByJob: { get: () => options?.isByJob },
    partly: { get: () => options?.partly },
    mayRedirect: { get: () => options?.mayRedirect },
    refusesSchema1: { get: () => options?.refusesSchema1 },
    noCache: { get: () => options?.noCache },
    report: { value: report },
  }
  return Object.create(null, properties) as ReadOptions
}
