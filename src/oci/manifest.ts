import type { Descriptor, Manifest, ManifestReferences } from './descriptor.ts'
import { type Digest, isDigest } from './digest.ts'
import { parseManifest } from './manifest-json.ts'
import type { JsonObject } from '../util/json-object.ts'

/** What a manifest refers to; nothing when it is no JSON, of another kind, or beyond the limits. */
export function referencesIn({
  body,
  references,
}: Pick<Manifest, 'body' | 'references'>): ManifestReferences {
  return references ?? referencesOf(parseManifest(body) ?? {})
}

/** What a manifest refers to; nothing when it is of another kind. */
export function referencesOf({ config, layers, blobs, manifests, fsLayers }: JsonObject): ManifestReferences {
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
