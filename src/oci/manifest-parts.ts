import { type Digest, isDigest } from './digest.ts'
import { parseManifest } from './manifest-json.ts'

/** Content that a manifest refers to. `size` is 0 where it does not say. */
export interface Part {
  readonly digest: Digest
  readonly size: number
}

export interface ManifestParts {
  /**
   * Of an index: its manifests. `platform`: `linux/arm64/v8`, or `attestation` for what describes another.
   */
  readonly manifests: readonly { readonly digest: Digest; readonly platform: string | undefined }[]
  /** Config and layers, in this order. */
  readonly content: readonly Part[]
}

/** What a manifest says it consists of; nothing when it is no JSON. */
export function partsIn(body: Buffer): ManifestParts {
  const { manifests, config, layers, blobs } = parseManifest(body) ?? {}
  const content = [config, ...listed(layers), ...listed(blobs)].flatMap(partOf)
  return {
    manifests: listed(manifests).flatMap((entry) => {
      const [part] = partOf(entry)
      return part === undefined ? [] : [{ digest: part.digest, platform: platformIn(entry) }]
    }),
    content: [...new Map(content.map((part) => [part.digest, part])).values()],
  }
}

/** The platform that the config of an image names. */
export function platformOf(config: Buffer): string | undefined {
  return platformText(parseManifest(config) ?? {})
}

function platformIn(entry: unknown): string | undefined {
  const { platform, annotations } = Object(entry) as Record<string, unknown>
  // BuildKit describes an image by a manifest beside it.
  if (Object(annotations)['vnd.docker.reference.type'] !== undefined) return 'attestation'
  return platformText(Object(platform) as Record<string, unknown>)
}

function platformText({ os, architecture, variant }: Record<string, unknown>): string | undefined {
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  const parts = [os, architecture, ...(typeof variant === 'string' && variant !== '' ? [variant] : [])]
  return parts.join('/').slice(0, 100)
}

function partOf(value: unknown): readonly Part[] {
  const { digest, size } = Object(value) as Record<string, unknown>
  if (typeof digest !== 'string' || !isDigest(digest)) return []
  return [{ digest, size: Number.isSafeInteger(size) && Number(size) > 0 ? Number(size) : 0 }]
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
