/** One repository with everything that a client may ask a registry for; the same bytes in every registry. */
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { RegistryContent, type RegistryOptions } from '../support/fake-upstream/registry.ts'
import { blobOf, indexOf, manifestOf } from '../support/fixtures.ts'

export const REPOSITORY = 'org/app'
export const SIGNATURE = 'application/vnd.dev.cosign.artifact.sig.v1+json'
export const SBOM = 'application/spdx+json'

export interface Known {
  readonly content: RegistryContent
  readonly manifest: Digest
  readonly index: Digest
  readonly blob: Digest
  readonly empty: Digest
  /** All, in lexical order. */
  readonly tags: readonly string[]
}

const layer = blobOf(300_000, 7).bytes
const config = Buffer.from('{}')
const nothing = Buffer.alloc(0)

/**
 * 261 tags, most of which are older builds; an image, an index over it, a blob and an empty one; a signature and an SBOM of the
 * image, listed under the fallback tag too (distribution-spec v1.1.1 "Referrers Tag Schema").
 */
export function knownContent(options: RegistryOptions = { referrers: true }): Known {
  const content = new RegistryContent(options)
  const [blob, , empty] = [layer, config, nothing].map((bytes) => content.addBlob(bytes)) as [
    Digest,
    Digest,
    Digest,
  ]
  const image = manifestOf([layer, nothing])
  const manifest = content.addManifest(REPOSITORY, 'v1.0', image, OCI_MANIFEST)
  const index = content.addManifest(REPOSITORY, 'latest', indexOf([manifest]), OCI_INDEX)
  const referrers = [SIGNATURE, SBOM].map((artifactType) => {
    const body = manifestOf([layer], { artifactType, subject: manifest, annotations: { made: 'by a test' } })
    const { digest, mediaType, size } = content.addManifest(REPOSITORY, undefined, body, OCI_MANIFEST)
    return { mediaType, digest, size, artifactType, annotations: { made: 'by a test' } }
  })
  const fallback = manifest.digest.replace(':', '-')
  content.addManifest(REPOSITORY, fallback, indexOf(referrers), OCI_INDEX)
  const builds = Array.from({ length: 258 }, (_, build) => `build-${build * 7}`)
  for (const build of builds) content.addManifest(REPOSITORY, build, image, OCI_MANIFEST)
  return {
    content,
    manifest: manifest.digest,
    index: index.digest,
    blob,
    empty,
    tags: [...builds, 'v1.0', 'latest', fallback].toSorted(),
  }
}
