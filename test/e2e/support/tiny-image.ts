import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '../../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { RegistryContent } from '../../support/fake-upstream/registry.ts'
import { descriptorOf, manifestOf } from '../../support/fixtures.ts'

/** An image for this machine, of one empty layer, with `tags` of `repository`, as a fake upstream has it. */
export function tinyImage(
  repository: string,
  tags: readonly string[],
): { content: RegistryContent; manifest: Digest; config: Digest } {
  const content = new RegistryContent({ referrers: true })
  const tar = Buffer.alloc(1024)
  const layer = gzipSync(tar)
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    }),
  )
  for (const blob of [layer, config]) content.addBlob(blob)
  const body = manifestOf([layer], {
    config: descriptorOf(config, 'application/vnd.oci.image.config.v1+json'),
  })
  for (const tag of tags) content.addManifest(repository, tag, body, OCI_MANIFEST)
  return { content, manifest: digestOf(body), config: digestOf(config) }
}
