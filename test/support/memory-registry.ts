/** An in-memory registry of one upstream, for tests of http/ without cache/ and storage/. */
import type { CacheStatus } from '../../src/ports/read-options.ts'
import type { Manifest } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import { type Referrer, referrerList } from '../../src/oci/referrers.ts'
import { TagList } from '../../src/oci/tag-list.ts'
import type { BlobProvider, BlobReader } from '../../src/ports/blob-store.ts'
import type { PageRequest, Registry, Repository, TagPage } from '../../src/ports/repository.ts'

const DISPOSED = new Error('the reader is disposed')
const HIT: CacheStatus = { result: 'hit' }

export class MemoryRegistry implements Registry {
  readonly upstream: string
  /** Names a request may use in `ns`. */
  readonly namespaces = new Set<string>()
  readonly contents = new Map<Digest, Buffer>()
  readonly manifests = new Map<Digest, Manifest>()
  readonly tags = new Map<string, Digest>()
  readonly referrers = new Map<Digest, readonly Referrer[]>()
  readonly repositoryName: string
  opened = 0
  openNow = 0
  stats = 0
  /** Replaces parts of the repository, to make them fail or wait. */
  overrides: Partial<Omit<Repository, 'name'>> = {}

  constructor(repositoryName = 'library/app', upstream = 'example.com') {
    this.repositoryName = repositoryName
    this.upstream = upstream
    this.namespaces.add(upstream)
  }

  addBlob(bytes: Buffer, digest = digestOf(bytes)): Digest {
    this.contents.set(digest, bytes)
    return digest
  }

  addManifest(body: Buffer, options: { tag?: string; mediaType?: string; digest?: Digest } = {}): Digest {
    const { tag, mediaType = OCI_MANIFEST, digest = digestOf(body) } = options
    this.manifests.set(digest, { body, descriptor: { digest, mediaType, size: body.length } })
    if (tag !== undefined) this.tags.set(tag, digest)
    return digest
  }

  find(address: { namespace?: string; name: string }): Repository | undefined {
    if (address.namespace !== undefined && !this.namespaces.has(address.namespace)) return undefined
    const isKnown = address.name === this.repositoryName
    return {
      name: { upstream: this.upstream, name: address.name },
      blobs: this.#blobs(isKnown),
      manifests: {
        get: async (digest, options) => {
          options?.report?.(HIT)
          return isKnown ? this.manifests.get(digest) : undefined
        },
      },
      tags: {
        resolve: async (tag, options) => {
          options?.report?.({ result: 'hit', ttl: 41 })
          return isKnown ? this.tags.get(tag) : undefined
        },
        list: async (page, options) => {
          options?.report?.(HIT)
          return isKnown ? this.#page(page) : undefined
        },
      },
      referrers: {
        list: async (digest, options) => {
          options?.report?.(HIT)
          return referrerList(this.referrers.get(digest) ?? [])
        },
      },
      ...this.overrides,
    }
  }

  #blobs(isKnown: boolean): BlobProvider {
    const find = (digest: Digest) => (isKnown ? this.contents.get(digest) : undefined)
    return {
      stat: async (digest, options) => {
        this.stats++
        options?.report?.(HIT)
        const bytes = find(digest)
        return bytes && { mediaType: OCTET_STREAM, digest, size: bytes.length }
      },
      open: async (digest, options) => {
        options?.report?.(HIT)
        const bytes = find(digest)
        return (
          bytes &&
          this.reader(digest, bytes.length, async (buffer, position) => bytes.copy(buffer, 0, position))
        )
      },
    }
  }

  /** A reader that counts as open until it is disposed, and then fails. */
  reader(digest: Digest, size: number, read: BlobReader['read']): BlobReader {
    this.opened++
    this.openNow++
    const { promise: disposed, reject } = Promise.withResolvers<never>()
    disposed.catch(() => {})
    let isOpen = true
    return {
      descriptor: { mediaType: OCTET_STREAM, digest, size },
      read: (buffer, position) => {
        if (!isOpen) return Promise.reject(DISPOSED)
        return Promise.race([read(buffer, position), disposed])
      },
      [Symbol.asyncDispose]: async () => {
        if (!isOpen) throw new Error('the reader is disposed twice')
        isOpen = false
        this.openNow--
        reject(DISPOSED)
      },
    }
  }

  #page({ n = 100, last }: PageRequest): TagPage {
    const { text, next } = TagList.of(this.tags.keys()).page(n, last)
    return next === undefined ? { tags: text } : { tags: text, next: { n, last: next } }
  }
}
