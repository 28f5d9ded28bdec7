import type { Descriptor } from './descriptor.ts'
import { type Digest, isDigest } from './digest.ts'

export interface ManifestReferences {
  /** With how long they are: config, layers, and the blobs of an artifact (image-spec v1.1 manifest.md, v1.1.0-rc2 artifact.md). */
  readonly blobs: readonly Pick<Descriptor, 'digest' | 'size'>[]
  /** All that an image needs: those, the manifests of an index, the layers of a schema 1 manifest. Not its `subject`. */
  readonly digests: readonly Digest[]
}

/** What a manifest refers to; nothing when it is no JSON or of another kind. */
export function referencesIn(body: Buffer): ManifestReferences {
  const { config, layers, blobs, manifests, fsLayers } = parse(body)
  const content = [config, ...listed(layers), ...listed(blobs)].filter(hasDigest)
  const others = [
    ...listed(manifests),
    ...listed(fsLayers).map((layer) => ({ digest: Object(layer).blobSum as unknown })),
  ].filter(hasDigest)
  return {
    blobs: content.filter(hasSize),
    digests: [...new Set([...content, ...others].map(({ digest }) => digest))],
  }
}

function parse(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(body.toString('utf8'))) as Record<string, unknown>
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function hasDigest(value: unknown): value is { readonly digest: Digest; readonly size?: unknown } {
  const digest: unknown = Object(value).digest
  return typeof digest === 'string' && isDigest(digest)
}

function hasSize(value: {
  readonly digest: Digest
  readonly size?: unknown
}): value is Pick<Descriptor, 'digest' | 'size'> {
  return Number.isSafeInteger(value.size) && Number(value.size) >= 0
}
