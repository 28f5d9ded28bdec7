import { type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest-json.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { type Referrer, referrerList, referrersIn } from '../oci/referrers.ts'
import type { Manifest } from '../oci/descriptor.ts'
import { jsonObject } from '../util/json-object.ts'

/** What a manifest refers to, and its descriptor in a list of referrers; undefined for what refers to nothing. */
export function referrerOf(
  { digest, mediaType }: { readonly digest: Digest; readonly mediaType: string },
  body: Buffer,
): { readonly subject: Digest; readonly referrer: Referrer } | undefined {
  const { subject, artifactType, config, annotations } = parseManifest(body) ?? {}
  const of: unknown = Object(subject).digest
  if (typeof of !== 'string' || !isDigest(of)) return undefined
  const type = artifactType ?? Object(config).mediaType
  const text = JSON.stringify({
    mediaType,
    digest,
    size: body.length,
    ...(typeof type === 'string' && { artifactType: type }),
    ...(jsonObject(annotations) !== undefined && { annotations }),
  })
  return { subject: of, referrer: { artifactType: typeof type === 'string' ? type : undefined, text } }
}

/** A list with further referrers, as the manifest of the fallback tag; undefined when it has them all. */
export function withReferrers(known: Buffer | undefined, more: readonly Referrer[]): Manifest | undefined {
  const before = (known && referrersIn(known)) ?? []
  const texts = new Map([...before, ...more].map((one) => [one.text, one]))
  if (known !== undefined && texts.size === before.length) return undefined
  const body = referrerList([...texts.values()]).index()
  return { body, descriptor: { mediaType: OCI_INDEX, digest: digestOf(body), size: body.length } }
}
