import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { type BlobStore, isInMemory, type OpenedBlob } from '../ports/blob-store.ts'
import type { LayerFactsIndex } from '../ports/conversions.ts'
import type { LinkIndex } from '../ports/metadata.ts'
import type { Repository } from '../ports/repository.ts'
import { limiter } from '../util/async/limiter.ts'
import type { MeasuredLayer } from './measured-layer.ts'
import type { LayerMeter } from './meter/layer-meter.ts'

export interface StoredLayersOptions {
  readonly blobs: Pick<BlobStore, 'stat'>
  readonly links: Pick<LinkIndex, 'has'>
  readonly facts: LayerFactsIndex
  readonly meter: LayerMeter
  /** Is fulfilled when no download of this blob runs any more: it is stored, or is not going to be. */
  readonly downloaded: (repository: RepositoryName, digest: Digest) => Promise<void>
}

/** The layers of a repository. */
export interface Layers {
  /**
   * Measures layers, each as soon as its bytes have come: they are downloaded where they are not stored. What
   * was measured before is not read again, and the repository has to show its right to it all the same.
   *
   * @throws what opening and `LayerMeter.measure` throw; RegistryError MANIFEST_UNKNOWN when upstream does not
   * have a layer
   */
  measure(
    repository: Pick<Repository, 'name' | 'blobs'>,
    digests: readonly Digest[],
    options: { readonly signal: AbortSignal; readonly client: string },
  ): AsyncIterable<MeasuredLayer>
}

/** Layers at a time, as clients download them. */
const AT_ONCE = 3

export function storedLayers({ blobs, links, facts, meter, downloaded }: StoredLayersOptions): Layers {
  return {
    async *measure(repository, digests, { signal, client }) {
      const inTurn = limiter(AT_ONCE)
      const failed = new AbortController()
      const either = AbortSignal.any([signal, failed.signal])
      const measuring = digests.map((digest) =>
        inTurn(async () => {
          either.throwIfAborted()
          return one(repository, digest, { signal: either, client })
        }),
      )
      const all = Promise.allSettled(measuring)
      try {
        for (const layer of measuring) yield await layer
      } finally {
        // The first that fails ends the others.
        failed.abort(new Error('another layer failed'))
        await all
      }
    },
  }

  async function one(
    repository: Pick<Repository, 'name' | 'blobs'>,
    digest: Digest,
    options: { readonly signal: AbortSignal; readonly client: string },
  ): Promise<MeasuredLayer> {
    const { name } = repository
    const known = await knownFacts(digest)
    const mayRead = async () => known !== undefined && (await links.has(name, digest)) && known
    const before = await mayRead()
    if (before !== false) return before
    const opened = await repository.blobs.open(digest, options)
    if (opened === undefined)
      throw new RegistryError('MANIFEST_UNKNOWN', {
        reason: `it is an image of schema 1 whose layer ${digest} does not exist`,
      })
    // Upstream may have said by HEAD that the repository has it. Otherwise it has to send it.
    const proved = await mayRead().catch(async (error: unknown) => {
      await close(opened)
      throw error
    })
    if (proved !== false) {
      await close(opened)
      return proved
    }
    const measured = await meter.measure(digest, opened, options.signal)
    await downloaded(name, digest)
    await facts.add(digest, measured)
    return measured
  }

  async function knownFacts(digest: Digest): Promise<MeasuredLayer | undefined> {
    const known = await facts.of(digest)
    const stored = known && (await blobs.stat(digest))
    return stored && { digest, size: stored.size, ...known }
  }
}

async function close(opened: OpenedBlob): Promise<void> {
  if (!isInMemory(opened)) await opened[Symbol.asyncDispose]()
}
