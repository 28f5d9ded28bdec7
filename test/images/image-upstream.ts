/** Images in a fake upstream, and the proxy in front of it. */
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Repository } from '../../src/ports/repository.ts'
import { fakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import type { Rig } from '../support/rig.ts'

export const REPOSITORY = 'library/app'

export interface PlatformImage {
  readonly digest: Digest
  readonly layers: readonly Digest[]
}

export interface MultiImage {
  readonly index: Digest
  readonly amd64: PlatformImage
  readonly arm64: PlatformImage
  readonly attestation: PlatformImage
  /** Of the amd64 image. */
  readonly signature: PlatformImage
}

/** One image of each kind: an index of two platforms that share a layer, an attestation, and a signature. */
export async function imageUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  return await fakeUpstream({ referrers: true, ...options })
}

export function addMultiImage(upstream: FakeUpstream, tag = 'latest', seed = 1): MultiImage {
  const config = Buffer.from('{}')
  upstream.addBlob(config)
  const [shared, own, other, note, sign] = [11, 12, 13, 14, 15].map((one, i) => {
    const { bytes } = blobOf(100_000 + i * 1000, one * seed)
    upstream.addBlob(bytes)
    return bytes
  }) as [Buffer, Buffer, Buffer, Buffer, Buffer]
  const add = (layers: readonly Buffer[], extra: object = {}) => {
    const body = manifestOf(layers, extra)
    const { digest } = upstream.addManifest(REPOSITORY, undefined, body, OCI_MANIFEST)
    return { body, digest, layers: layers.map((layer) => descriptorOf(layer).digest) }
  }
  const amd64 = add([shared, own])
  const arm64 = add([shared, other])
  const attestation = add([note])
  const entry = (body: Buffer, rest: object) => ({ ...descriptorOf(body, OCI_MANIFEST), ...rest })
  const index = indexOf([
    entry(amd64.body, { platform: { os: 'linux', architecture: 'amd64' } }),
    entry(arm64.body, { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }),
    entry(attestation.body, {
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': amd64.digest,
      },
    }),
  ])
  const { digest } = upstream.addManifest(REPOSITORY, tag, index, OCI_INDEX)
  const signature = add([sign], {
    artifactType: 'application/vnd.example.signature',
    subject: descriptorOf(amd64.body, OCI_MANIFEST),
  })
  return { index: digest, amd64, arm64, attestation, signature }
}

export function storedCheck(proxy: Rig) {
  return async ({ name }: Repository, digest: Digest): Promise<boolean> => {
    await proxy.downloads.ended(name.upstream, digest)
    return (await proxy.store.blobs.stat(digest)) !== undefined
  }
}
