import { LRUCache } from 'lru-cache'
import type { Manifest } from '../../oci/descriptor.ts'
import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { V1Content, V1Store } from '../../ports/v1-images.ts'
import { limiter } from '../../util/async/limiter.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import { upstreamIn } from '../../util/endpoint-name.ts'
import { invalidAnswer } from '../failures.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import { imageChain } from './image-chain.ts'
import { schema1Manifest } from './schema1-manifest.ts'
import { takeLayer } from './take-layer.ts'
import type { V1Requests } from './v1-requests.ts'

export interface ImageTakingOptions {
  /** The name of the endpoint. */
  readonly endpoint: string
  readonly requests: V1Requests
  readonly store: V1Store
  readonly withTimeout: WithTimeout
  readonly openLayer: (
    repository: string,
    id: string,
    start: number,
    signal: AbortSignal,
  ) => Promise<BlobBody | undefined>
  /** Milliseconds that a client waits for its image. */
  readonly patience?: number | undefined
  /** Bytes of a layer at most. */
  readonly mostBytes?: number | undefined
}

export interface ImageTaking {
  /**
   * Joins the taking of this image, or begins it. The work goes on when nobody waits for it any more.
   *
   * @returns a manifest of schema 1, whose layers are stored, and which the repository may read
   * @throws RegistryError CONVERTING: it takes longer than clients wait. UPSTREAM_INVALID: it is no image.
   * TOOMANYREQUESTS
   */
  take(repository: string, id: string, signal?: AbortSignal): Promise<Manifest>
  close(): Promise<void>
}

/** Milliseconds. containerd waits 30 s for headers, and the conversion follows. */
const PATIENCE = 20_000
/** Milliseconds. What is stored by then is not fetched again. */
const LONGEST = 2 * 3_600_000
/** What Docker Hub allowed. */
const MOST_BYTES = 10 * 1024 ** 3
/** Images that are taken at once, and layers, of one endpoint. */
const MOST_IMAGES = 16
const LAYERS_AT_ONCE = 4
/** Milliseconds that it is remembered what is wrong with an image. */
const REMEMBERED = 60_000

/**
 * Takes images of the first protocol into the store: their layers have no digests before they are there, and
 * without digests there is no manifest.
 */
export function imageTaking(options: ImageTakingOptions): ImageTaking {
  const { endpoint, requests, store, withTimeout, openLayer } = options
  const { patience = PATIENCE, mostBytes = MOST_BYTES } = options
  const upstream = upstreamIn(endpoint)
  const images = singleFlight<Manifest>()
  const layers = singleFlight<V1Content>()
  const inTurn = limiter(LAYERS_AT_ONCE)
  const failures = new LRUCache<string, RegistryError>({ max: 1_000, ttl: REMEMBERED })
  const running = new Set<Promise<unknown>>()
  const closing = new AbortController()

  return {
    async take(repository, id, signal) {
      const key = `${repository} ${id}`
      const failure = failures.get(key)
      if (failure !== undefined) throw failure
      if (!images.has(key) && images.size >= MOST_IMAGES)
        throw new RegistryError('TOOMANYREQUESTS', {
          upstream,
          reason: `too many images are fetched from ${endpoint} by the first protocol`,
        })
      const timeout = AbortSignal.timeout(patience)
      const wait = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
      try {
        return (await images.run(key, () => watched(key, takeImage(repository, id)), wait)).value
      } catch (error) {
        if (signal?.aborted === true || error !== timeout.reason) throw error
        const reason = 'its layers are fetched by the first registry protocol, which goes on'
        throw new RegistryError('CONVERTING', { upstream, reason })
      }
    },
    async close() {
      closing.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: endpoint, reason: 'closed' }))
      await Promise.allSettled(running)
    },
  }

  async function watched(key: string, work: Promise<Manifest>): Promise<Manifest> {
    running.add(work)
    try {
      return await work
    } catch (error) {
      if (isRegistryError(error, 'UPSTREAM_INVALID')) failures.set(key, error)
      throw error
    } finally {
      running.delete(work)
    }
  }

  async function takeImage(repository: string, id: string): Promise<Manifest> {
    const failed = new AbortController()
    const signal = AbortSignal.any([closing.signal, failed.signal, AbortSignal.timeout(LONGEST)])
    const chain = await imageChain(repository, id, { requests, withTimeout, signal })
    const taking = chain.map((link) => inTurn(() => layer(repository, link.id, signal)))
    try {
      const taken = await Promise.all(taking)
      const manifest = await schema1Manifest(
        repository,
        chain,
        taken.map(({ digest }) => digest),
      )
      if ('problem' in manifest)
        throw invalidAnswer(endpoint, `image ${id.slice(0, 12)}: ${manifest.problem}`)
      const { digest, size } = manifest.descriptor
      await store.index.add({ endpoint, repository }, 'manifest', { id, digest, size })
      return manifest
    } finally {
      // The first that fails ends the others.
      const reason = 'another layer of the image failed'
      failed.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: endpoint, reason }))
      await Promise.allSettled(taking)
    }
  }

  async function layer(repository: string, id: string, signal: AbortSignal): Promise<V1Content> {
    const of = { endpoint, repository }
    const known = await store.index.find(of, 'layer', id)
    if (known !== undefined) return known
    signal.throwIfAborted()
    const take = async (): Promise<V1Content> => {
      const taken = await takeLayer(id, {
        blobs: store.blobs,
        origin: endpoint,
        key: `${endpoint} ${repository} ${id}`,
        mostBytes,
        open: (start, signal) => openLayer(repository, id, start, signal),
        signal,
      })
      await store.grant({ upstream, name: repository }, taken.digest)
      await store.index.add(of, 'layer', taken)
      return taken
    }
    return (await layers.run(`${repository} ${id}`, take)).value
  }
}
