import { digestOf } from '../../src/oci/digest.ts'
import type { Call } from './pull-conformance.ts'

export interface KnownReferrers {
  readonly repository: string
  readonly manifest: Buffer
  /** Descriptors of all that refer to `manifest`, each of another artifact type. */
  readonly referrers: readonly { readonly artifactType: string }[]
}

const INDEX = 'application/vnd.oci.image.index.v1+json'
const index = (manifests: readonly object[]): object => ({ schemaVersion: 2, mediaType: INDEX, manifests })

/** The content discovery half of the OCI conformance suite (distribution-spec v1.1.1 "Listing Referrers"). */
export function referrers({ repository, manifest, referrers }: KnownReferrers): Call[] {
  const digest = digestOf(manifest)
  const at = (reference: string, type?: string) =>
    `/v2/${repository}/referrers/${reference}${type === undefined ? '' : `?artifactType=${encodeURIComponent(type)}`}`
  const headers = { 'content-type': INDEX, 'oci-filters-applied': undefined, link: undefined }
  const filtered = { ...headers, 'oci-filters-applied': 'artifactType' }
  return [
    { description: 'all referrers', path: at(digest), status: 200, headers, json: index(referrers) },
    { description: 'all referrers', method: 'HEAD', path: at(digest), status: 200, headers },
    ...referrers.map((one) => ({
      description: 'referrers of a type',
      path: at(digest, one.artifactType),
      status: 200,
      headers: filtered,
      json: index([one]),
    })),
    {
      description: 'referrers of a type that nobody has',
      path: at(digest, 'application/other'),
      status: 200,
      headers: filtered,
      json: index([]),
    },
    {
      description: 'referrers of what is not there',
      path: at(digestOf(Buffer.from('this is nowhere'))),
      status: 200,
      headers,
      json: index([]),
    },
    {
      description: 'referrers of a malformed digest',
      path: at('sha256:baddigest'),
      status: 400,
      code: 'DIGEST_INVALID',
    },
  ]
}
