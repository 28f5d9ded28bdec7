import { LRUCache } from 'lru-cache'
import type { Manifest } from '../../oci/descriptor.ts'
import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { V1Content, V1Store } from '../../ports/v1-images.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import { upstreamIn } from '../../util/endpoint-name.ts'
import { invalidAnswer } from '../failures.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import { imageChain } from './image-chain.ts'
import { schema1Manifest } from './schema1-manifest.ts'
import { sharedLayers } from './shared-layers.ts'
import { layerProgress } from './layer-progress.ts'
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
  /** Milliseconds that an image may take. What is stored by then is not fetched again. */
  readonly longest?: number | undefined
  /** Monotonic clock, in milliseconds. */
  readonly now?: (() => number) | undefined
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
/** Milliseconds. */
const LONGEST = 2 * 3_600_000
/** What Docker Hub allowed. */
const MOST_BYTES = 10 * 1024 ** 3
/** Images that are taken at once, of one endpoint and of one repository. */
const MOST_IMAGES = 16
const MOST_OF_REPOSITORY = 4
const LAYERS_AT_ONCE = { ofEndpoint: 4, ofRepository: 2 }
/** Milliseconds that it is remembered what is wrong with an image. */
const REMEMBERED = 60_000

/**
 * Takes images of the first protocol into the store: their layers have no digests before they are there, and
 * without digests there is no manifest.
 */
export function imageTaking(options: ImageTakingOptions): ImageTaking {
  const { endpoint, requests, store, withTimeout, openLayer } = options
  const { patience = PATIENCE, mostBytes = MOST_BYTES, longest = LONGEST } = options
  const { now = () => performance.now() } = options
  const upstream = upstreamIn(endpoint)
  const images = singleFlight<Manifest>()
  const layers = sharedLayers(LAYERS_AT_ONCE)
  const failures = new LRUCache<string, RegistryError>({ max: 1_000, ttl: REMEMBERED })
  /** By the name of their repository. */
  const running = new Map<Promise<unknown>, string>()
  const closing = new AbortController()

  return {
    async take(repository, id, signal) {
      const key = `${repository} ${id}`
      const failure = failures.get(key)
      if (failure !== undefined) throw failure
      if (!images.has(key) && !hasRoomFor(repository))
        throw new RegistryError('TOOMANYREQUESTS', {
          upstream,
          reason: `too many images are fetched from ${endpoint} by the first protocol`,
        })
      const timeout = AbortSignal.timeout(patience)
      const wait = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
      try {
        return (await images.run(key, () => watched(repository, key, takeImage(repository, id)), wait)).value
      } catch (error) {
        if (signal?.aborted === true || error !== timeout.reason) throw error
        const reason = 'its layers are fetched by the first registry protocol, which goes on'
        throw new RegistryError('CONVERTING', { upstream, reason })
      }
    },
    async close() {
      closing.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: endpoint, reason: 'closed' }))
      await Promise.allSettled(running.keys())
    },
  }

  function hasRoomFor(repository: string): boolean {
    const ofRepository = running.values().reduce((sum, name) => sum + Number(name === repository), 0)
    return images.size < MOST_IMAGES && ofRepository < MOST_OF_REPOSITORY
  }

  async function watched(repository: string, key: string, work: Promise<Manifest>): Promise<Manifest> {
    running.set(work, repository)
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
    const ended = new AbortController()
    const late = setTimeout(() => {
      const reason = 'the image took too long'
      ended.abort(new RegistryError('UPSTREAM_TIMEOUT', { upstream: endpoint, reason }))
    }, longest)
    const signal = AbortSignal.any([closing.signal, ended.signal])
    try {
      return await takenImage(repository, id, ended, signal)
    } finally {
      clearTimeout(late)
    }
  }

  async function takenImage(
    repository: string,
    id: string,
    ended: AbortController,
    signal: AbortSignal,
  ): Promise<Manifest> {
    const chain = await imageChain(repository, id, { requests, withTimeout, signal })
    const taking = chain.map((link) => layer(repository, link.id, signal))
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
      ended.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: endpoint, reason }))
      await Promise.allSettled(taking)
    }
  }

  async function layer(repository: string, id: string, signal: AbortSignal): Promise<V1Content> {
    const of = { endpoint, repository }
    const known = await store.index.find(of, 'layer', id)
    // What is not stored is asked for anew: the registry may have something else under this id by now.
    if (known !== undefined && (await store.blobs.stat(known.digest)) !== undefined) return known
    const take = async (signal: AbortSignal): Promise<V1Content> => {
      const shown = layerProgress(upstream, id, now)
      using _watched = store.watch?.(shown.view)
      const taken = await takeLayer(id, {
        blobs: store.blobs,
        origin: endpoint,
        key: `${endpoint} ${repository} ${id}`,
        mostBytes,
        progress: shown.add,
        begun: {
          get: async () => (await store.index.find(of, 'begun', id))?.digest,
          set: (digest) => store.index.add(of, 'begun', { id, digest, size: 0 }),
        },
        open: (start, signal) => openLayer(repository, id, start, signal),
        now,
        signal,
      })
      await store.grant({ upstream, name: repository }, taken.digest)
      await store.index.add(of, 'layer', taken)
      await store.index.forget(of, 'begun', id)
      return taken
    }
    return layers.take(repository, id, take, signal)
  }
}
