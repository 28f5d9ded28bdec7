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
import { parseJsonObject } from '../../src/util/json-object.ts'
import { manifestOf } from '../../src/upstream/body/manifest-type.ts'

const ORAS_ARTIFACT = 'application/vnd.cncf.oras.artifact.manifest.v1+json'
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
  // FR-20: a Content-Type that says nothing
  [{ mediaType: OCI_MANIFEST, layers: [] }, 'application/json', OCI_MANIFEST],
  [{ mediaType: DOCKER_LIST, manifests: [] }, 'application/json; charset=utf-8', DOCKER_LIST],
  [{ anything: 1 }, 'application/json', /without a media type/],
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
  [{ mediaType: OCI_MANIFEST, layers: [] }, 'text/plain; charset=utf-8', OCI_MANIFEST],
  [{ manifests: [] }, 'binary/octet-stream', OCI_INDEX],
  [[], OCI_INDEX, /JSON object/],
  [null, OCI_INDEX, /JSON object/],
  ['text', OCI_INDEX, /JSON object/],
]

/** Every manifest has a `schemaVersion`. */
function bodyOf(document: unknown): Buffer {
  const isObject = typeof document === 'object' && document !== null && !Array.isArray(document)
  return Buffer.from(JSON.stringify(isObject ? { schemaVersion: 2, ...document } : document))
}

test('SEC-30 F37 FR-20 a manifest has one media type or is refused', () => {
  for (const [document, contentType, outcome] of CASES) {
    const checked = mediaTypeOf(parseJsonObject(bodyOf(document)), contentType)
    const what = `${JSON.stringify(document)} as ${contentType}`
    if (typeof outcome === 'string') assert.deepEqual(checked, { mediaType: outcome }, what)
    else assert.match('problem' in checked ? checked.problem : 'accepted', outcome, what)
  }
  assert.ok('problem' in mediaTypeOf(parseJsonObject('<html>'), OCI_MANIFEST))
})

test('SEC-75 a JSON document that is no manifest is refused', () => {
  const cases: [document: object, contentType: string, outcome: RegExp | string][] = [
    [{ AccessKeyId: 'AKIA', SecretAccessKey: 's3cret' }, 'text/plain', /without a media type/],
    [{ AccessKeyId: 'AKIA' }, CUSTOM, /without schemaVersion/],
    [{ schemaVersion: '2' }, CUSTOM, /without schemaVersion/],
    [{ schemaVersion: 2 }, 'text/html', /not that of a manifest/],
    [{ schemaVersion: 2 }, 'application/octet-stream', /without a media type/],
    [{ schemaVersion: 2 }, 'application/zip', /not that of a manifest/],
    [{ schemaVersion: 2 }, CUSTOM, CUSTOM],
    [{ blobs: [] }, ORAS_ARTIFACT, ORAS_ARTIFACT],
  ]
  for (const [document, contentType, outcome] of cases) {
    const checked = mediaTypeOf(parseJsonObject(JSON.stringify(document)), contentType)
    if (typeof outcome === 'string') assert.deepEqual(checked, { mediaType: outcome })
    else assert.match('problem' in checked ? checked.problem : 'accepted', outcome, contentType)
  }
})

const PAYLOAD = '{\n   "schemaVersion": 1,\n   "fsLayers": []\n}'

/** Signed schema 1 as libtrust writes it, with what its signature claims of the payload. */
function signed(head: string, claims: { formatLength: unknown; formatTail: unknown }, more = ''): Buffer {
  const protectedHeader = encode(JSON.stringify(claims))
  return Buffer.from(`${head},\n   "signatures": [{"protected": "${protectedHeader}"}]${more}\n}`)
}

test('signed schema 1 is known by the hash of its payload, without the signatures', async () => {
  const head = PAYLOAD.slice(0, -2)
  const genuine = signed(head, { formatLength: head.length, formatTail: encode('\n}') })
  const digest = digestOf(Buffer.from(PAYLOAD))

  assert.deepEqual(await manifestOf(genuine, DOCKER_SCHEMA1_SIGNED, digest), {
    descriptor: { mediaType: DOCKER_SCHEMA1_SIGNED, digest, size: genuine.length },
    body: genuine,
    references: { blobs: [], digests: [] },
  })
  const other = Buffer.from(genuine.toString().replace('"schemaVersion": 1', '"schemaVersion": 2'))
  assert.deepEqual(await manifestOf(other, DOCKER_SCHEMA1_SIGNED, digest), {
    problem: 'manifest with another digest',
  })
  for (const text of ['{"signatures":[{"protected":"e30"}]}', '{"signatures":[]}', '<html>']) {
    const broken = Buffer.from(text)
    assert.deepEqual(await manifestOf(broken, DOCKER_SCHEMA1_SIGNED, digest), {
      problem: 'manifest with a malformed signature',
    })
  }
})

test('SEC-82 a signature cannot claim another payload than the body', async () => {
  const digest = digestOf(Buffer.from(PAYLOAD))
  const evil = '{\n   "schemaVersion": 1,\n   "name": "evil",\n   "fsLayers": []'
  const head = PAYLOAD.slice(0, -2)
  const claims: [what: string, body: Buffer][] = [
    ['all of it in the tail', signed(evil, { formatLength: 0, formatTail: encode(PAYLOAD) })],
    ['a part of it in the tail', signed(evil, { formatLength: 1, formatTail: encode(PAYLOAD.slice(1)) })],
    ['a tail with another key', signed(head, { formatLength: head.length, formatTail: encode(',"a":1}') })],
    [
      'more than signatures behind it',
      signed(head, { formatLength: head.length, formatTail: encode('\n}') }, ', "name": "evil"'),
    ],
    [
      'something between',
      Buffer.from(
        signed(head, { formatLength: head.length, formatTail: encode('\n}') })
          .toString()
          .replace(',\n   "signatures"', ',\n   "name": "evil", "signatures"'),
      ),
    ],
    ['no length', signed(head, { formatLength: 'all', formatTail: encode('\n}') })],
    ['half a byte', signed(head, { formatLength: head.length - 0.5, formatTail: encode('\n}') })],
    ['no tail', signed(head, { formatLength: head.length, formatTail: 1 })],
  ]
  for (const [what, body] of claims) {
    for (const type of [DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1]) {
      const problem = 'manifest with a malformed signature'
      assert.deepEqual(await manifestOf(body, type, digest), { problem }, what)
    }
  }
})

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
