import { parseJsonObject } from '../util/json-object.ts'
import { excessIn, MANIFEST_LIMITS } from './manifest-json.ts'
import { isDigest } from './digest.ts'
import { OCI_INDEX } from './media-types.ts'

/** Manifests that refer to another one, as distribution-spec v1.1.1 "Listing Referrers" has them. */
export interface ReferrerList {
  readonly referrers: readonly Referrer[]
  /** Of all texts. */
  readonly bytes: number
}

export interface Referrer {
  readonly artifactType: string | undefined
  /** The descriptor as JSON. */
  readonly text: string
}

export function referrerList(referrers: readonly Referrer[]): ReferrerList {
  return { referrers, bytes: referrers.reduce((sum, { text }) => sum + text.length, 0) }
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

/** An image index of those of `artifactType`, or of all. */
export function referrersIndex({ referrers }: ReferrerList, artifactType?: string): Buffer {
  const wanted =
    artifactType === undefined ? referrers : referrers.filter((one) => one.artifactType === artifactType)
  const manifests = wanted.map(({ text }) => text).join(',')
  return Buffer.from(`{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[${manifests}]}`)
}

/**
 * The tag under which clients list referrers where a registry has no API: distribution-spec v1.1.1 "Referrers
 * Tag Schema".
 */
export function referrersTag(digest: string): string {
  const [algorithm = '', encoded = ''] = digest.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replaceAll(/[^a-zA-Z0-9._-]/g, '-')
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
