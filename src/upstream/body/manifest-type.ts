import type { Manifest } from '../../oci/descriptor.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { excessIn } from '../../oci/manifest-json.ts'
import { referencesOf } from '../../oci/manifest.ts'
import { parseJsonObject } from '../../util/json-object.ts'
import { mediaTypeOf } from './manifest-check.ts'
import { digestedBytes } from '../../oci/signed-manifest.ts'

/**
 * Makes a verified manifest from a body, or names its problem. The digest uses the algorithm of `expected`,
 * where it is given.
 */
export function manifestOf(
  body: Buffer,
  contentType: string | undefined,
  expected?: Digest,
): Manifest | { readonly problem: string } {
  if (body.length === 0) return { problem: 'empty manifest' }
  const excess = excessIn(body)
  if (excess !== undefined) return { problem: `manifest with ${excess}` }
  const digested = digestedBytes(body, contentType)
  if (digested === undefined) return { problem: 'manifest with a malformed signature' }
  // Some registries store signed manifests under the hash of the whole body.
  const digest = digestOf(body, expected) === expected ? expected : digestOf(digested, expected)
  if (expected !== undefined && digest !== expected) return { problem: 'manifest with another digest' }
  const document = parseJsonObject(body)
  const type = mediaTypeOf(document, contentType)
  if ('problem' in type) return type
  return {
    descriptor: { mediaType: type.mediaType, digest, size: body.length },
    body,
    references: referencesOf(document ?? {}),
  }
}
