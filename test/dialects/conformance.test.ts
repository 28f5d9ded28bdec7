/** The pull and discovery halves of the OCI conformance suite, before upstreams that have everything and upstreams that do not. */
import { after, before } from 'node:test'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { referrersTag } from '../../src/oci/referrers.ts'
import { blobOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { pullConformance } from '../support/pull-conformance.ts'
import { RegistryContent } from '../support/fake-upstream/registry.ts'
import { type FakeRegistry, fakeRegistry } from '../support/registries/fake-registry.ts'
import { heads } from '../support/registries/heads.ts'
import type { Layer } from '../support/registries/layer.ts'
import { pages } from '../support/registries/pages.ts'
import { ignoresArtifactType, noReferrers } from '../support/registries/referrers.ts'

const REPOSITORY = 'org/group/app'
const { bytes: blob } = blobOf(300_017, 3)
const manifest = manifestOf([blob])

const content = new RegistryContent({ referrers: true })
content.addBlob(blob)
const builds = Array.from({ length: 253 }, (_, i) => `build-${i}`)
for (const tag of builds) content.addManifest(REPOSITORY, tag, manifest, OCI_MANIFEST)
const subject = content.addManifest(REPOSITORY, 'latest', manifest, OCI_MANIFEST)
const referrers = ['application/vnd.example.signature', 'application/vnd.example.sbom'].map(
  (artifactType) => {
    const annotations = { 'org.example.made': 'by a test' }
    const body = manifestOf([], { subject, artifactType, annotations })
    const { mediaType, digest, size } = content.addManifest(REPOSITORY, undefined, body, OCI_MANIFEST)
    return { mediaType, digest, size, artifactType, annotations }
  },
)
const fallback = referrersTag(subject.digest)
// A tag of its own; the suite wants all the others to be the manifest, and does not ask for this one.
content.addManifest(REPOSITORY, fallback, indexOf(referrers), OCI_INDEX)
const tags = [...builds, 'latest', fallback].toSorted()

const opaque = { parameter: 'last', opaque: true }
const SHAPES: Record<string, readonly Layer[]> = {
  'an upstream with everything': [],
  'FR-16 an upstream without referrers, a 404': [noReferrers('404')],
  'FR-05 an upstream whose referrers are a login page': [noReferrers('login')],
  'FR-16 an upstream that does not filter referrers': [ignoresArtifactType()],
  'FR-16 an upstream that ignores last': [
    pages({ cursor: { parameter: 'page', opaque: true }, ignoresLast: true, size: 50 }),
  ],
  'FR-02 an upstream with opaque cursors': [pages({ cursor: opaque, size: 60 })],
  'FR-02 an upstream that names the next page in the body': [
    pages({ cursor: opaque, size: 60, nextIn: 'body' }),
  ],
  'FR-03 an upstream with a page limit of 100': [pages({ size: 100, most: 100, beyond: 400 })],
  'FR-03 an upstream that gives 100 at most and does not say so': [pages({ size: 100, most: 100 })],
  'an upstream that lists tags in the order of their making': [
    pages({ order: (all) => all.toReversed(), cursor: opaque, size: 70 }),
  ],
  'an upstream with nothing of it': [
    noReferrers('html 404'),
    heads({ manifests: { status: 405 }, blobs: { status: 404 } }),
    pages({
      cursor: { parameter: 'next_page', opaque: true },
      ignoresLast: true,
      size: 20,
      most: 100,
      beyond: 405,
    }),
  ],
}

for (const [title, layers] of Object.entries(SHAPES)) {
  let upstream: FakeRegistry
  let proxy: Awaited<ReturnType<typeof startProxy>>
  before(async () => {
    upstream = await fakeRegistry({ name: title, layers }, content)
    proxy = await startProxy({ upstream })
  })
  after(async () => {
    await proxy[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })
  const known = { repository: REPOSITORY, tags, manifest, mediaType: OCI_MANIFEST, blob, referrers }
  pullConformance(title, known, () => proxy.port)
}
