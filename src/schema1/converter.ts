import { LRUCache } from 'lru-cache'
import type { Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { Repository } from '../ports/repository.ts'
import { singleFlight } from '../util/async/single-flight.ts'
import type { Conversions, Progress } from './conversion.ts'
import { InvalidImageError } from './invalid-image.ts'

export interface ConverterOptions {
  readonly conversions: Conversions
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

/** Converts images of schema 1, each once, however many clients want it. */
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
/** Conversions that run at once, in all and of one client. */
const MOST = 64
const MOST_OF_CLIENT = 8
/** Milliseconds that it is remembered why an image cannot be converted: to find out may cost minutes. */
const REMEMBERED = 10 * 60_000

export function converter({
  conversions,
  patience = PATIENCE,
  converted = () => {},
}: ConverterOptions): Converter {
  const flights = singleFlight<Digest>()
  const failures = new LRUCache<string, InvalidImageError>({ max: 1_000, ttl: REMEMBERED })
  const clients = new Map<string, number>()
  const running = new Map<string, { readonly progress: Progress; readonly work: Promise<unknown> }>()
  const closing = new AbortController()

  return {
    async convert(repository, manifest, { signal, client = '' } = {}) {
      const { upstream, name } = repository.name
      const source = manifest.descriptor.digest
      const known = await conversions.find(repository.name, source)
      if (known !== undefined) return known
      const key = `${upstream} ${name} ${source}`
      const failure = failures.get(key)
      if (failure !== undefined) throw failure
      if (!flights.has(key)) refuseMore(client)
      const timeout = AbortSignal.timeout(patience)
      const wait = signal ? AbortSignal.any([signal, timeout]) : timeout
      try {
        return (await flights.run(key, () => begin(key, repository, manifest, client), wait)).value
      } catch (error) {
        if (signal?.aborted === true || error !== timeout.reason) throw error
        const { of, measured } = running.get(key)?.progress ?? { of: 0, measured: 0 }
        throw new RegistryError('CONVERTING', {
          upstream,
          reason: 'an image of schema 1 is being converted, which goes on',
          layers: `${measured} of ${of}`,
        })
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'the conversion was stopped' }))
      await Promise.allSettled([...running.values()].map(({ work }) => work))
    },
  }

  function refuseMore(client: string): void {
    if (flights.size >= MOST || (clients.get(client) ?? 0) >= MOST_OF_CLIENT)
      throw new RegistryError('TOOMANYREQUESTS', {
        reason: 'too many images of schema 1 are being converted',
      })
  }

  async function begin(
    key: string,
    repository: Pick<Repository, 'name' | 'blobs'>,
    manifest: Manifest,
    client: string,
  ): Promise<Digest> {
    const startedAt = performance.now()
    const progress = { of: 0, measured: 0 }
    clients.set(client, (clients.get(client) ?? 0) + 1)
    const work = conversions.make(repository, manifest, { signal: closing.signal, client, progress })
    running.set(key, { progress, work })
    try {
      const digest = await work
      converted({
        repository: repository.name,
        source: manifest.descriptor.digest,
        manifest: digest,
        layers: progress.of,
        seconds: (performance.now() - startedAt) / 1000,
      })
      return digest
    } catch (error) {
      if (error instanceof InvalidImageError) failures.set(key, error)
      throw error
    } finally {
      running.delete(key)
      const left = clients.get(client)! - 1
      if (left === 0) clients.delete(client)
      else clients.set(client, left)
    }
  }
}
