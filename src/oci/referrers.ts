import { parseJsonObject } from '../util/json-object.ts'
import { excessIn, MANIFEST_LIMITS } from './manifest-json.ts'
import { isDigest } from './digest.ts'
import { OCI_INDEX } from './media-types.ts'

/** Manifests that refer to another one, as distribution-spec v1.1.1 "Listing Referrers" has them. */
export interface ReferrerList {
  readonly referrers: readonly Referrer[]
  /** Bytes of all texts, and of all indexes. */
  readonly bytes: number
  /** An image index of those of `artifactType`, or of all. All who ask for it share one (SEC-71). */
  index(artifactType?: string): Buffer
}

export interface Referrer {
  readonly artifactType: string | undefined
  /** The descriptor as JSON. */
  readonly text: string
}

export function referrerList(referrers: readonly Referrer[]): ReferrerList {
  /** By artifact type: those of all types are together as long as the one of all. */
  const indexes = new Map<string | undefined, Buffer>()
  const texts = referrers.reduce((sum, { text }) => sum + text.length, 0)
  return {
    referrers,
    bytes: 3 * texts,
    index(artifactType) {
      const known = indexes.get(artifactType)
      if (known !== undefined) return known
      const wanted =
        artifactType === undefined ? referrers : referrers.filter((one) => one.artifactType === artifactType)
      const index = indexOf(wanted)
      // Clients choose types that there are not.
      if (wanted.length > 0) indexes.set(artifactType, index)
      return index
    },
  }
}

/**
 * The referrers in an image index, an answer of the API or a fallback tag's. Go writes an empty list as `null`,
 * or leaves it out. @returns undefined when it is no index
 */
export function referrersIn(body: Buffer): readonly Referrer[] | undefined {
  // A list of them has as many as its bytes allow.
  if (excessIn(body, { ...MANIFEST_LIMITS, references: Infinity }) !== undefined) return undefined
  const document = parseJsonObject(body)
  const manifests = document?.['manifests']
  if (manifests === null || (manifests === undefined && document?.['mediaType'] === OCI_INDEX)) return []
  return Array.isArray(manifests) ? manifests.filter(isDescriptor).map(referrerOf) : undefined
}

/**
 * The tag under which clients list referrers where a registry has no API: distribution-spec v1.1.1 "Referrers
 * Tag Schema".
 */
export function referrersTag(digest: string): string {
  const [algorithm = '', encoded = ''] = digest.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replaceAll(/[^a-zA-Z0-9._-]/g, '-')
}

function indexOf(referrers: readonly Referrer[]): Buffer {
  const manifests = referrers.map(({ text }) => text).join(',')
  return Buffer.from(`{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[${manifests}]}`)
}

function isDescriptor(value: unknown): value is { digest: string; artifactType?: unknown } {
  const digest: unknown = Object(value).digest
  return typeof digest === 'string' && isDigest(digest)
}

function referrerOf(descriptor: { digest: string; artifactType?: unknown }): Referrer {
  const { artifactType } = descriptor
  return {
    artifactType: typeof artifactType === 'string' ? artifactType : undefined,
    text: JSON.stringify(descriptor),
  }
}
