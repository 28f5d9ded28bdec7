import type { Manifest } from '../../oci/descriptor.ts'
import { type Digest, digestOf, isDigest } from '../../oci/digest.ts'
import { parseManifest } from '../../oci/manifest-json.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import { type Referrer, referrerList, referrersIn, referrersTag } from '../../oci/referrers.ts'
import type { DestinationRepository } from '../../ports/moving/destination.ts'
import { jsonObject, parseJsonObject } from '../../util/json-object.ts'

export interface FallbackTagOptions {
  readonly target: DestinationRepository
  /** Asks the destination, again where that may help. */
  readonly ask: <T>(task: () => Promise<T>) => Promise<T>
  /** Runs tasks that change a tag one at a time. */
  readonly alone: <T>(task: () => Promise<T>) => Promise<T>
  readonly signal: AbortSignal
}

/**
 * Lists a manifest that has a subject under the subject's fallback tag, unless the destination lists it by
 * itself: distribution-spec v1.1.1 "Pushing Manifests with Subject" asks it of clients.
 */
export async function keepFallbackTag(manifest: Manifest, options: FallbackTagOptions): Promise<void> {
  const { target, ask, alone, signal } = options
  const described = describe(manifest)
  if (described === undefined) return
  const { subject, referrer } = described
  const { digest } = manifest.descriptor
  await alone(async () => {
    // By its API, if it has one: not every registry says so when it takes a manifest.
    const listed = await ask(() => target.referrers(subject, signal))
    if (has(listed.referrers, digest)) return
    const tag = referrersTag(subject)
    const before = await ask(() => target.manifest(tag, signal))
    const others = (before && referrersIn(before.body)) ?? []
    const body = referrerList([...others, referrer]).index()
    const descriptor = { mediaType: OCI_INDEX, digest: digestOf(body), size: body.length }
    await ask(() => target.putManifest(tag, { body, descriptor }, signal))
  })
}

function has(referrers: readonly Referrer[], digest: Digest): boolean {
  return referrers.some(({ text }) => parseJsonObject(text)?.['digest'] === digest)
}

/** The descriptor that a list of referrers has of it; undefined without a subject. */
function describe({ body, descriptor }: Manifest): { subject: Digest; referrer: Referrer } | undefined {
  const document = parseManifest(body) ?? {}
  const subject = jsonObject(document['subject'])?.['digest']
  if (typeof subject !== 'string' || !isDigest(subject)) return undefined
  const type = document['artifactType'] ?? jsonObject(document['config'])?.['mediaType']
  const artifactType = typeof type === 'string' ? type : undefined
  const annotations = jsonObject(document['annotations'])
  return {
    subject,
    referrer: {
      artifactType,
      text: JSON.stringify({
        ...descriptor,
        ...(artifactType !== undefined && { artifactType }),
        ...(annotations !== undefined && { annotations }),
      }),
    },
  }
}
