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
import type { Repository } from '../ports/repository.ts'
import { type ConvertedImage, convertImage } from './convert-image.ts'
import { InvalidImageError } from './invalid-image.ts'
import type { MeasuredLayer } from './measured-layer.ts'
import { readChain } from './read-chain.ts'
import { readSchema1 } from './read-schema1.ts'
import { signatureProblem } from './signatures.ts'
import type { Layers } from './stored-layers.ts'

export interface ConversionOptions {
  readonly store: {
    readonly blobs: BlobStore
    readonly links: LinkIndex
    readonly references: ReferenceIndex
    readonly conversions: ConversionIndex
  }
  readonly layers: Layers
  /** Is fulfilled when the other replicas can read what was committed. Omitted: there are none. */
  readonly shared?: ((digest: Digest) => Promise<unknown>) | undefined
}

/** How far a conversion is, in layers. */
export interface Progress {
  of: number
  measured: number
}

export interface ConversionRun {
  readonly signal: AbortSignal
  /** For whom, where clients take turns. */
  readonly client: string
  readonly progress: Progress
}

/** One conversion into the store, without regard to others. */
export interface Conversions {
  /** What the source was converted to, where the repository may read that. */
  find(repository: RepositoryName, source: Digest): Promise<Digest | undefined>
  /**
   * Converts: `readSchema1` and `readChain` check what the manifest says, `Layers` brings the layers into the
   * store and reads them, and `convertImage` makes config and manifest of the two.
   */
  make(
    repository: Pick<Repository, 'name' | 'blobs'>,
    manifest: Manifest,
    run: ConversionRun,
  ): Promise<Digest>
}

/** Milliseconds. What is stored by then is not fetched again. */
const LONGEST = 2 * 3_600_000

export function conversions({ store, layers, shared = async () => {} }: ConversionOptions): Conversions {
  return {
    async find(repository, source) {
      const known = await store.conversions.find(source)
      if (known === undefined) return undefined
      for (const digest of [known.manifest, known.config]) {
        if (!(await store.links.has(repository, digest))) return undefined
        // It may have been evicted: it is made again then.
        if ((await store.blobs.stat(digest)) === undefined) return undefined
      }
      return known.manifest
    },

    async make(repository, manifest, { signal, client, progress }) {
      const { name } = repository
      const payload = await payloadOf(manifest)
      const { architecture, ...read } = readSchema1(payload)
      const chain = await readChain(read)
      const source = { descriptor: { ...manifest.descriptor, size: payload.length }, body: payload }
      await keep(name, source)
      const wanted = new Set(read.layers.filter((_, i) => !chain[i]!.isEmpty))
      progress.of = wanted.size
      const measured = new Map<Digest, MeasuredLayer>()
      const tooLong = new AbortController()
      using _ = after(LONGEST, () => tooLong.abort(tookTooLong(name)))
      const either = AbortSignal.any([signal, tooLong.signal])
      for await (const layer of layers.measure(repository, [...wanted], { signal: either, client })) {
        measured.set(layer.digest, layer)
        progress.measured = measured.size
      }
      const image = convertImage(
        chain,
        read.layers.map((digest) => measured.get(digest)),
        architecture,
      )
      // The layers may have taken their time, and the source may have been evicted meanwhile.
      await keep(name, source)
      await add(name, manifest.descriptor.digest, read.layers, image)
      return image.manifest.descriptor.digest
    },
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

function after(milliseconds: number, task: () => void): Disposable {
  const timer = setTimeout(task, milliseconds).unref()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

function tookTooLong({ upstream }: RepositoryName): RegistryError {
  const reason = `the layers of this image of schema 1 did not come within ${LONGEST / 3_600_000} h`
  return new RegistryError('UPSTREAM_TIMEOUT', { upstream, reason })
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
