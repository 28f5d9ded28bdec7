import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { pullConformance } from '../support/pull-conformance.ts'
import { RawClient } from '../support/raw-client.ts'
import { type RegistryServer, serveRegistry } from '../support/registry-server.ts'

const { bytes: blob, digest } = blobOf(3 * 1024 * 1024 + 17)
const manifest = manifestOf([blob])
const tags = ['1.0', '1.1', '2.0', 'latest', 'sha256-abc.sig']
const registry = new MemoryRegistry('org/group/app')
registry.addBlob(blob)
for (const tag of tags) registry.addManifest(manifest, { tag })

let server: RegistryServer
before(async () => (server = await serveRegistry(registry)))
after(() => server.close(0))

pullConformance(
  'the pull half of the OCI conformance suite',
  { repository: 'org/group/app', tags, manifest, mediaType: OCI_MANIFEST, blob },
  () => server.port,
)

test('HEAD equals GET in every header', async () => {
  const paths = [
    '/v2/',
    '/v2/org/group/app/manifests/latest',
    `/v2/org/group/app/blobs/${digest}`,
    `/v2/org/group/app/blobs/sha256:${'0'.repeat(64)}`,
    '/v2/org/group/app/tags/list?n=2',
    '/v2/absent/manifests/latest?ns=unknown.example',
    '/v2/org/group/app/blobs/sha256:bad',
    '/v2/nothing/here',
    '/elsewhere',
  ]
  using client = await RawClient.connect(server.port)
  for (const path of paths) {
    const head = await client.request('HEAD', path, ['X-Request-Id: a']).response('HEAD')
    const get = await client.request('GET', path, ['X-Request-Id: a']).response()
    delete (head.headers as Record<string, string>)['date']
    delete (get.headers as Record<string, string>)['date']
    assert.deepEqual([head.status, head.headers], [get.status, get.headers], path)
  }
})
