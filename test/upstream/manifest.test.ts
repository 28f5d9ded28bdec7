import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/oci/media-types.ts'
import { mediaTypeOf } from '../../src/upstream/body/manifest-check.ts'
import { manifestOf } from '../../src/upstream/body/manifest-type.ts'

const CUSTOM = 'application/vnd.example.thing.v1+json'

const CASES: [document: unknown, contentType: string | undefined, outcome: string | RegExp][] = [
  [{ mediaType: OCI_MANIFEST, layers: [] }, OCI_MANIFEST, OCI_MANIFEST],
  [{ layers: [] }, OCI_MANIFEST, OCI_MANIFEST],
  [{ layers: [] }, `${OCI_MANIFEST}; charset=utf-8`, OCI_MANIFEST],
  [{ anything: 1 }, CUSTOM, CUSTOM],
  // F37: missing or meaningless Content-Type
  [{ mediaType: DOCKER_LIST, manifests: [] }, undefined, DOCKER_LIST],
  [{ mediaType: DOCKER_MANIFEST, layers: [] }, 'nonsense', DOCKER_MANIFEST],
  [{ manifests: [] }, undefined, OCI_INDEX],
  [{ layers: [] }, undefined, OCI_MANIFEST],
  [{ fsLayers: [] }, undefined, DOCKER_SCHEMA1],
  [{ fsLayers: [], signatures: [] }, undefined, DOCKER_SCHEMA1_SIGNED],
  [{}, undefined, /without a media type/],
  // SEC-30: CVE-2021-41190
  [{ mediaType: OCI_MANIFEST, layers: [], manifests: [] }, OCI_MANIFEST, /both/],
  [{ fsLayers: [], manifests: [] }, OCI_INDEX, /both/],
  [{ mediaType: OCI_MANIFEST, layers: [] }, OCI_INDEX, /Content-Type/],
  [{ mediaType: OCI_INDEX, manifests: [] }, DOCKER_LIST, /Content-Type/],
  [{ manifests: [] }, OCI_MANIFEST, /media type says/],
  [{ layers: [] }, OCI_INDEX, /media type says/],
  [{ layers: [] }, DOCKER_MANIFEST, DOCKER_MANIFEST],
  [{ mediaType: CUSTOM, layers: [] }, CUSTOM, CUSTOM],
  [{ layers: [] }, CUSTOM, /media type says/],
  [{ manifests: [] }, CUSTOM, /media type says/],
  [{ layers: [] }, DOCKER_SCHEMA1, /media type says/],
  [{ fsLayers: [] }, OCI_MANIFEST, /media type says/],
  [[], OCI_INDEX, /JSON object/],
  [null, OCI_INDEX, /JSON object/],
  ['text', OCI_INDEX, /JSON object/],
]

test('SEC-30 F37 a manifest has one media type or is refused', () => {
  for (const [document, contentType, outcome] of CASES) {
    const checked = mediaTypeOf(Buffer.from(JSON.stringify(document)), contentType)
    const what = `${JSON.stringify(document)} as ${contentType}`
    if (typeof outcome === 'string') assert.deepEqual(checked, { mediaType: outcome }, what)
    else assert.match('problem' in checked ? checked.problem : 'accepted', outcome, what)
  }
  assert.ok('problem' in mediaTypeOf(Buffer.from('<html>'), OCI_MANIFEST))
})

test('signed schema 1 is known by the hash of its payload, without the signatures', () => {
  const payload = '{\n   "schemaVersion": 1,\n   "fsLayers": []\n}'
  const head = payload.slice(0, -2)
  const protectedHeader = encode(JSON.stringify({ formatLength: head.length, formatTail: encode('\n}') }))
  const signed = Buffer.from(`${head},\n   "signatures": [{"protected": "${protectedHeader}"}]\n}`)
  const digest = digestOf(Buffer.from(payload))

  assert.deepEqual(manifestOf(signed, DOCKER_SCHEMA1_SIGNED, digest), {
    descriptor: { mediaType: DOCKER_SCHEMA1_SIGNED, digest, size: signed.length },
    body: signed,
  })
  const other = Buffer.from(signed.toString().replace('"schemaVersion": 1', '"schemaVersion": 2'))
  assert.deepEqual(manifestOf(other, DOCKER_SCHEMA1_SIGNED, digest), {
    problem: 'manifest with another digest',
  })
  for (const text of ['{"signatures":[{"protected":"e30"}]}', '{"signatures":[]}', '<html>']) {
    const broken = Buffer.from(text)
    assert.deepEqual(manifestOf(broken, DOCKER_SCHEMA1_SIGNED, digest), {
      problem: 'manifest with a malformed signature',
    })
  }
})

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
