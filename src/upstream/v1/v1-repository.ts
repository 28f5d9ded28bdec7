import { OCTET_STREAM } from '../../oci/media-types.ts'
import { excessIn } from '../../oci/manifest-json.ts'
import { referrerList } from '../../oci/referrers.ts'
import { TagList } from '../../oci/tag-list.ts'
import type { BlobBody, UpstreamRepository } from '../../ports/upstream.ts'
import type { V1Store } from '../../ports/v1-images.ts'
import type { Interval } from '../../util/interval-set.ts'
import { jsonObject, parseJson } from '../../util/json-object.ts'
import { blobBody, placeOf } from '../body/blob-body.ts'
import type { BodyRate } from '../body/body-rate.ts'
import { invalidAnswer } from '../failures.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import type { Transport } from '../requests.ts'
import { discard } from '../requests.ts'
import type { RateBudget } from '../resilience/rate-budget.ts'
import { isImageId } from './image-chain.ts'
import { imageTaking, type ImageTakingOptions } from './image-taking.ts'
import { v1Requests } from './v1-requests.ts'

export interface V1RepositoriesOptions extends Pick<ImageTakingOptions, 'patience' | 'mostBytes'> {
  /** The name of the endpoint. */
  readonly upstream: string
  readonly url: URL
  readonly transport: Transport
  /** `response` bounds whole responses; `blob` bounds the time until the headers of a layer. */
  readonly deadlines: { readonly response: WithTimeout; readonly blob: WithTimeout }
  readonly budget: Pick<RateBudget, 'isNearlyExhausted'>
  /** Told the size of every chunk of a layer. */
  readonly received: (bytes: number) => void
  /** Told the size of every chunk of a blob that memory was allocated for. */
  readonly allocated: (bytes: number) => void
  readonly rate?: BodyRate | undefined
  readonly promisesBlobsAfter: number | undefined
  readonly store: V1Store
}

/** Bytes of a list of tags, and of the id that a tag points to. */
const LONGEST_TAGS = 1024 * 1024
const LONGEST_ID = 1024
const TAGS_LIMITS = { nesting: 3, values: 40_000 }

/**
 * The repositories of a registry of the first protocol. A tag is resolved to a manifest of schema 1 that is made
 * of the image, once its layers are stored. By digest there is what was made so.
 */
export function v1Repositories(options: V1RepositoriesOptions): {
  repository(name: string): UpstreamRepository
  close(): Promise<void>
} {
  const { upstream, deadlines, budget, received, allocated, rate, store } = options
  const within = deadlines.response
  const requests = v1Requests(options)
  const taking = imageTaking({
    ...options,
    endpoint: upstream,
    requests,
    withTimeout: within,
    openLayer: (repository, id, start, signal) => openLayer(repository, id, { start }, signal),
  })

  return { repository, close: taking.close }

  async function openLayer(
    repository: string,
    id: string,
    range: Partial<Interval>,
    signal?: AbortSignal,
  ): Promise<BlobBody | undefined> {
    return deadlines.blob(async (signal) => {
      const { start = 0, end } = range
      const isWhole = start === 0 && end === undefined
      const headers: Record<string, string> = isWhole
        ? {}
        : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` }
      const path = `images/${id}/layer`
      let response = await requests.get(repository, 'blob', path, { headers, signal })
      if (response?.status === 416) {
        // It may be shorter than it was. The whole tells.
        discard(response)
        response = await requests.get(repository, 'blob', path, { signal })
      }
      if (response === undefined) return undefined
      const place = response.status === 416 ? { problem: 'no layer' } : placeOf(response)
      if ('problem' in place) {
        response.body.destroy()
        throw invalidAnswer(upstream, place.problem)
      }
      return blobBody(upstream, response, place, { signal, received, allocated, rate })
    }, signal)
  }

  function repository(name: string): UpstreamRepository {
    const of = { endpoint: upstream, repository: name }
    const path = `repositories/${name}/tags`

    const resolve: UpstreamRepository['resolve'] = async (tag, signal) => {
      const text = await within(
        (signal) => requests.text(name, 'tag', `${path}/${tag}`, { limit: LONGEST_ID, signal }),
        signal,
      )
      if (text === undefined) return undefined
      const id = parseJson(text)
      if (!isImageId(id)) throw invalidAnswer(upstream, `tag ${tag} is no id of an image`)
      const known = await store.index.find(of, 'manifest', id)
      if (known !== undefined && (await store.isComplete(known.digest))) return { digest: known.digest }
      const manifest = await taking.take(name, id, signal)
      return { digest: manifest.descriptor.digest, manifest }
    }

    return {
      get isNearlyExhausted() {
        return budget.isNearlyExhausted
      },
      promisesBlobsAfter: options.promisesBlobsAfter,
      resolve,
      resolveByGet: resolve,
      async manifest(digest, signal) {
        const known = await store.index.findDigest(of, 'manifest', digest)
        if (known === undefined) return undefined
        const manifest = await taking.take(name, known.id, signal)
        return manifest.descriptor.digest === digest ? manifest : undefined
      },
      async statBlob(digest, signal) {
        const known = await store.index.findDigest(of, 'layer', digest)
        if (known === undefined) return undefined
        const response = await within(
          (signal) => requests.get(name, 'blob', `images/${known.id}/json`, { signal }),
          signal,
        )
        if (response === undefined) return undefined
        discard(response)
        return { mediaType: OCTET_STREAM, digest, size: known.size }
      },
      async blob(digest, range = {}, signal) {
        const known = await store.index.findDigest(of, 'layer', digest)
        if (known === undefined) return undefined
        const body = await openLayer(name, known.id, range, signal)
        if (body?.total === undefined || body.total === known.size) return body
        // The registry has something else under this id by now.
        await body[Symbol.asyncIterator]().return?.()
        await store.index.forget(of, 'layer', known.id)
        return undefined
      },
      tags: {
        async whole(signal) {
          const text = await within(
            (signal) => requests.text(name, 'tags', path, { limit: LONGEST_TAGS, signal }),
            signal,
          )
          if (text === undefined) return undefined
          const excess = excessIn(Buffer.from(text), TAGS_LIMITS)
          const tags = excess === undefined ? tagsIn(parseJson(text)) : undefined
          if (tags === undefined) throw invalidAnswer(upstream, 'list of tags that is none')
          return TagList.of(tags)
        },
        // A list that is too long is an error.
        page: async () => undefined,
      },
      referrers: async () => referrerList([]),
    }
  }
}

/** docker-registry has an object of ids by tag, Docker Hub had a list of tags and ids. */
function tagsIn(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value.map((entry) => jsonObject(entry)?.['name'])
  const object = jsonObject(value)
  return object && Object.keys(object)
}
