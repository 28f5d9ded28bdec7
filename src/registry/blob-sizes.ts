import { LRUCache } from 'lru-cache'
import type { Descriptor, Manifest } from '../oci/descriptor.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { contentKey } from './keys.ts'

/**
 * Remembers how long blobs are from the manifests that refer to them, for upstreams that do not say (chunked answers) or say it
 * wrong. By repository, so that a manifest which lies spoils nothing but its own repository.
 */
export interface BlobSizes {
  learn(repository: RepositoryName, manifest: Manifest): void
  of(repository: RepositoryName, digest: Digest): number | undefined
}

const REMEMBERED = 50_000

export function blobSizes(): BlobSizes {
  const sizes = new LRUCache<string, number>({ max: REMEMBERED })
  /** Few enough that what they taught is still remembered. */
  const learnt = new LRUCache<string, true>({ max: REMEMBERED / 50 })

  return {
    learn(repository, { descriptor, body }) {
      const key = contentKey(repository, descriptor.digest)
      if (learnt.has(key)) return
      learnt.set(key, true)
      for (const { digest, size } of descriptorsIn(body)) sizes.set(contentKey(repository, digest), size)
    },
    of: (repository, digest) => sizes.get(contentKey(repository, digest)),
  }
}

/** The descriptors a manifest refers to; none when it is of a kind without them (index, signed schema 1) or no JSON. */
function descriptorsIn(body: Buffer): readonly Pick<Descriptor, 'digest' | 'size'>[] {
  const { config, layers, blobs } = parse(body)
  return [config, ...listed(layers), ...listed(blobs)].filter(isDescriptor)
}

function parse(body: Buffer): { config?: unknown; layers?: unknown; blobs?: unknown } {
  try {
    return Object(JSON.parse(body.toString('utf8'))) as object
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isDescriptor(value: unknown): value is Pick<Descriptor, 'digest' | 'size'> {
  if (typeof value !== 'object' || value === null) return false
  const { digest, size } = value as { digest?: unknown; size?: unknown }
  return (
    typeof digest === 'string' &&
    isDigest(digest) &&
    typeof size === 'number' &&
    Number.isSafeInteger(size) &&
    size >= 0
  )
}
