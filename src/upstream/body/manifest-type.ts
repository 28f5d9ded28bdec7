import type { Manifest } from '../../oci/descriptor.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { excessIn } from '../../oci/manifest-json.ts'
import { collectReferences } from '../../oci/manifest.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'
import { parseJsonObject } from '../../util/json-object.ts'
import { mediaTypeOf } from './manifest-check.ts'
import { digestedBytes } from '../../oci/signed-manifest.ts'

/** Milliseconds. Parsing comes in one piece, and is not to add up with what comes before it. */
const MOST_AT_ONCE = 1

/**
 * Makes a verified manifest from a body, or names its problem. The digest uses the algorithm of `expected`,
 * where it is given. A large one takes milliseconds: the event loop turns in between.
 */
export async function manifestOf(
  body: Buffer,
  contentType: string | undefined,
  expected?: Digest,
): Promise<Manifest | { readonly problem: string }> {
  const pause = yieldEvery(MOST_AT_ONCE)
  if (body.length === 0) return { problem: 'empty manifest' }
  const excess = excessIn(body)
  if (excess !== undefined) return { problem: `manifest with ${excess}` }
  await pause()
  const digested = digestedBytes(body, contentType)
  if (digested === undefined) return { problem: 'manifest with a malformed signature' }
  // Some registries store signed manifests under the hash of the whole body.
  const digest = digestOf(body, expected) === expected ? expected : digestOf(digested, expected)
  if (expected !== undefined && digest !== expected) return { problem: 'manifest with another digest' }
  await pause()
  const document = parseJsonObject(body)
  await pause()
  const type = mediaTypeOf(document, contentType)
  if ('problem' in type) return type
  return {
    descriptor: { mediaType: type.mediaType, digest, size: body.length },
    body,
    references: await collectReferences(document ?? {}),
  }
}
