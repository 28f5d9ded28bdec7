import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { referrerList, referrersIn } from '../../src/oci/referrers.ts'
import { blobOf, descriptorOf } from '../support/fixtures.ts'

const descriptors = ['sbom', 'signature', 'sbom'].map((type, i) =>
  Object.assign(descriptorOf(blobOf(100, i).bytes, OCI_INDEX), { artifactType: `application/${type}` }),
)
const listed = (index: Buffer): unknown => (JSON.parse(index.toString()) as { manifests: unknown }).manifests

test('SEC-71: all who ask for a list of referrers share its bytes, of one type and of all', () => {
  const list = referrerList(referrersIn(Buffer.from(JSON.stringify({ manifests: descriptors })))!)
  assert.deepEqual(listed(list.index()), descriptors)
  assert.deepEqual(listed(list.index('application/sbom')), [descriptors[0], descriptors[2]])
  assert.deepEqual(listed(list.index('application/other')), [])
  for (const type of [undefined, 'application/sbom', 'application/signature'])
    assert.equal(list.index(type), list.index(type))
  const types = [undefined, 'application/sbom', 'application/signature']
  const made = types.reduce((sum, type) => sum + list.index(type).length, 0)
  assert.ok(list.bytes >= made - 3 * 100, `${list.bytes} bytes for ${made}`)
})
