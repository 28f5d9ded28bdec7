import { LRUCache } from 'lru-cache'
import type { Content, Manifest } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import { referencesIn } from '../oci/manifest.ts'
import { DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { digestedBytes } from '../oci/signed-manifest.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { ConversionIndex } from '../ports/conversions.ts'
import type { LinkIndex, ReferenceIndex } from '../ports/metadata.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { Repository } from '../ports/repository.ts'
import { singleFlight } from '../util/async/single-flight.ts'
import { type ConvertedImage, convertImage } from './convert-image.ts'
import type { MeasuredLayer } from './measured-layer.ts'
import { InvalidImageError } from './invalid-image.ts'
import { readChain } from './read-chain.ts'
import { readSchema1 } from './read-schema1.ts'
import { signatureProblem } from './signatures.ts'
import type { Layers } from './stored-layers.ts'

export interface ConverterOptions {
  readonly store: {
    readonly blobs: BlobStore
    readonly links: LinkIndex
    readonly references: ReferenceIndex
    readonly conversions: ConversionIndex
  }
  readonly layers: Layers
  /** Is fulfilled when the other replicas can read what was committed. Omitted: there are none. */
  readonly shared?: ((digest: Digest) => Promise<unknown>) | undefined
  /** Milliseconds that a client waits for its image. */
  readonly patience?: number
  readonly converted?: (conversion: ConversionReport) => void
}

/** A conversion that has succeeded. */
export interface ConversionReport {
  readonly repository: RepositoryName
  readonly source: Digest
  readonly manifest: Digest
  readonly layers: number
  readonly seconds: number
}

/**
 * Converts images of schema 1 into the store. `readSchema1` and `readChain` check what the manifest says, `Layers`
 * brings the layers into the store and reads them, and `convertImage` makes config and manifest of the two.
 */
export interface Converter extends AsyncDisposable {
  /**
   * Joins the conversion of this manifest, or begins it. The work goes on when nobody waits for it any more.
   *
   * @returns the digest of the manifest of schema 2, which is stored, and which the repository may read
   * @throws RegistryError CONVERTING: it takes longer than clients wait. UPSTREAM_INVALID: it cannot be converted.
   * MANIFEST_UNKNOWN: upstream does not have its layers. TOOMANYREQUESTS: the client has too many of them running
   */
  convert(
    repository: Pick<Repository, 'name' | 'blobs'>,
    manifest: Manifest,
    options?: Pick<ReadOptions, 'signal' | 'client'>,
  ): Promise<Digest>
}

/** Milliseconds. containerd waits 30 s for headers. */
const PATIENCE = 25_000
/** Milliseconds. What is stored by then is not fetched again. */
const LONGEST = 2 * 3_600_000
/** Conversions that run at once, in all and of one client. */
const MOST = 64
const MOST_OF_CLIENT = 8
/** Milliseconds that it is remembered why an image cannot be converted: to find out may cost minutes. */
const REMEMBERED = 10 * 60_000

export function converter(options: ConverterOptions): Converter {
  const { store, layers, shared = async () => {}, patience = PATIENCE, converted = () => {} } = options
  const flights = singleFlight<Digest>()
  const failures = new LRUCache<string, InvalidImageError>({ max: 1_000, ttl: REMEMBERED })
  const clients = new Map<string, number>()
  const progress = new Map<string, Progress>()
  const running = new Set<Promise<unknown>>()
  const closing = new AbortController()

  return {
    async convert(repository, manifest, { signal, client = '' } = {}) {
      const known = await stored(repository.name, manifest.descriptor.digest)
      if (known !== undefined) return known
      const { upstream, name } = repository.name
      const key = `${upstream} ${name} ${manifest.descriptor.digest}`
      const failure = failures.get(key)
      if (failure !== undefined) throw failure
      if (!flights.has(key)) refuseMore(client)
      const timeout = AbortSignal.timeout(patience)
      try {
        const { value } = await flights.run(
          key,
          () => watched(key, client, (done) => run(repository, manifest, done, client)),
          signal ? AbortSignal.any([signal, timeout]) : timeout,
        )
        return value
      } catch (error) {
        if (signal?.aborted === true || error !== timeout.reason) throw error
        const { of, measured } = progress.get(key) ?? { of: 0, measured: 0 }
        throw new RegistryError('CONVERTING', {
          upstream,
          reason: 'an image of schema 1 is being converted, which goes on',
          layers: `${measured} of ${of}`,
        })
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the converter was closed'))
      await Promise.allSettled(running)
    },
  }

  function refuseMore(client: string): void {
    if (flights.size >= MOST || (clients.get(client) ?? 0) >= MOST_OF_CLIENT)
      throw new RegistryError('TOOMANYREQUESTS', {
        reason: 'too many images of schema 1 are being converted',
      })
  }

  async function watched(
    key: string,
    client: string,
    task: (progress: Progress) => Promise<Digest>,
  ): Promise<Digest> {
    const done = { of: 0, measured: 0 }
    progress.set(key, done)
    clients.set(client, (clients.get(client) ?? 0) + 1)
    const work = task(done)
    running.add(work)
    try {
      return await work
    } catch (error) {
      if (error instanceof InvalidImageError) failures.set(key, error)
      throw error
    } finally {
      running.delete(work)
      progress.delete(key)
      const left = clients.get(client)! - 1
      if (left === 0) clients.delete(client)
      else clients.set(client, left)
    }
  }

  async function run(
    repository: Pick<Repository, 'name' | 'blobs'>,
    manifest: Manifest,
    progress: Progress,
    client: string,
  ): Promise<Digest> {
    const startedAt = performance.now()
    const source = manifest.descriptor.digest
    const payload = await payloadOf(manifest)
    const { architecture, ...read } = readSchema1(payload)
    const chain = await readChain(read)
    await keep(repository.name, {
      descriptor: { ...manifest.descriptor, size: payload.length },
      body: payload,
    })
    const wanted = new Set(read.layers.filter((_, i) => !chain[i]!.isEmpty))
    progress.of = wanted.size
    const measured = new Map<Digest, MeasuredLayer>()
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(LONGEST)])
    for await (const layer of layers.measure(repository, [...wanted], { signal, client })) {
      measured.set(layer.digest, layer)
      progress.measured = measured.size
    }
    const image = convertImage(
      chain,
      read.layers.map((digest) => measured.get(digest)),
      architecture,
    )
    await add(repository.name, source, read.layers, image)
    const { digest } = image.manifest.descriptor
    const seconds = (performance.now() - startedAt) / 1000
    converted({ repository: repository.name, source, manifest: digest, layers: wanted.size, seconds })
    return digest
  }

  /** What the source was converted to, where the repository may read that. */
  async function stored(repository: RepositoryName, source: Digest): Promise<Digest | undefined> {
    const known = await store.conversions.find(source)
    if (known === undefined) return undefined
    const mayRead = (digest: Digest) => store.links.has(repository, digest)
    return (await mayRead(known.manifest)) && (await mayRead(known.config)) ? known.manifest : undefined
  }

  /**
   * Keeps what the digest is of, so that a conversion is found without upstream. A signed manifest is not kept
   * otherwise: its digest is not that of its bytes.
   */
  async function keep(repository: RepositoryName, { descriptor, body }: Manifest): Promise<void> {
    if (digestOf(body, descriptor.digest) !== descriptor.digest) return
    await commit(repository, { descriptor: { ...descriptor, mediaType: DOCKER_SCHEMA1 }, bytes: body })
    await store.links.add(repository, descriptor.digest, descriptor.mediaType)
  }

  async function add(
    repository: RepositoryName,
    source: Digest,
    layers: readonly Digest[],
    { config, manifest }: ConvertedImage,
  ): Promise<void> {
    for (const content of [config, manifest]) await commit(repository, content)
    await store.references.record(source, layers)
    const { digest, mediaType } = manifest.descriptor
    await store.references.record(digest, referencesIn({ body: manifest.bytes }).digests)
    await store.conversions.add(source, { manifest: digest, config: config.descriptor.digest })
    await store.links.add(repository, config.descriptor.digest)
    await store.links.add(repository, digest, mediaType)
    await Promise.all([config, manifest].map(({ descriptor }) => shared(descriptor.digest)))
  }

  async function commit({ upstream }: RepositoryName, { descriptor, bytes }: Content): Promise<void> {
    await using ingest = await store.blobs.ingest({ ...descriptor, origin: upstream })
    await ingest.write(bytes, 0)
    await ingest.verify(bytes.length)
    await ingest.commit()
  }
}

interface Progress {
  /** Layers. */
  of: number
  measured: number
}

/** What was signed. @throws InvalidImageError */
async function payloadOf({ body, descriptor: { mediaType } }: Manifest): Promise<Buffer> {
  const payload = digestedBytes(body, mediaType)
  if (payload === undefined) throw new InvalidImageError('its signature is malformed')
  const isSigned = mediaType === DOCKER_SCHEMA1_SIGNED
  const problem = isSigned ? await signatureProblem(body, payload) : undefined
  if (problem !== undefined) throw new InvalidImageError(problem)
  return payload
}
