import { type Digest, isDigest } from './digest.ts'
import { parseManifest } from './manifest-json.ts'

/** Content that a manifest refers to. `size` is 0 where it does not say. */
export interface Part {
  readonly digest: Digest
  readonly size: number
  readonly mediaType?: string
  /** It is to be had elsewhere: registries need not have it (image-spec v1.1 descriptor.md, `urls`). */
  readonly isForeign?: true
}

/** A manifest that an index lists. */
export interface ManifestPart extends Pick<Part, 'digest' | 'size'> {
  /** `linux/arm64/v8`, or `attestation` for what describes another. */
  readonly platform: string | undefined
  /** Of an attestation: the manifest that it describes. */
  readonly describes?: Digest
}

export interface ManifestParts {
  /** Of an index. */
  readonly manifests: readonly ManifestPart[]
  /** Config and layers, in this order. */
  readonly content: readonly Part[]
}

/** What a manifest says it consists of; nothing when it is no JSON. */
export function partsIn(body: Buffer): ManifestParts {
  const { manifests, config, layers, blobs, fsLayers } = parseManifest(body) ?? {}
  const unsized = listed(fsLayers).map((layer) => ({ digest: Object(layer).blobSum as unknown }))
  const content = [config, ...listed(layers), ...listed(blobs), ...unsized].flatMap(partOf)
  return {
    manifests: listed(manifests).flatMap((entry) => {
      const [part] = partOf(entry)
      if (part === undefined) return []
      const described = describedBy(entry)
      return [
        {
          digest: part.digest,
          size: part.size,
          platform: platformIn(entry),
          ...(described && { describes: described }),
        },
      ]
    }),
    content: [...new Map(content.map((part) => [part.digest, part])).values()],
  }
}

/** The platform that the config of an image names. */
export function platformOf(config: Buffer): string | undefined {
  return platformText(parseManifest(config) ?? {})
}

/** When the config of an image says that it was built, in ISO 8601. */
export function createdOf(config: Buffer): string | undefined {
  const { created } = parseManifest(config) ?? {}
  const instant = typeof created === 'string' && created.length <= 40 ? Date.parse(created) : Number.NaN
  return Number.isNaN(instant) ? undefined : new Date(instant).toISOString()
}

function platformIn(entry: unknown): string | undefined {
  const { platform, annotations } = Object(entry) as Record<string, unknown>
  // BuildKit describes an image by a manifest beside it.
  if (Object(annotations)['vnd.docker.reference.type'] !== undefined) return 'attestation'
  return platformText(Object(platform) as Record<string, unknown>)
}

/** The manifest that an attestation is about, as BuildKit says it. */
function describedBy(entry: unknown): Digest | undefined {
  const digest: unknown = Object(Object(entry).annotations)['vnd.docker.reference.digest']
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined
}

function platformText({ os, architecture, variant }: Record<string, unknown>): string | undefined {
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  const parts = [os, architecture, ...(typeof variant === 'string' && variant !== '' ? [variant] : [])]
  return parts.join('/').slice(0, 100)
}

function partOf(value: unknown): readonly Part[] {
  const { digest, size, mediaType, urls } = Object(value) as Record<string, unknown>
  if (typeof digest !== 'string' || !isDigest(digest)) return []
  return [
    {
      digest,
      size: Number.isSafeInteger(size) && Number(size) > 0 ? Number(size) : 0,
      ...(typeof mediaType === 'string' && { mediaType }),
      ...(listed(urls).length > 0 && { isForeign: true }),
    },
  ]
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
