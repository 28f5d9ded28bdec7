import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { excessIn, parseManifest } from '../../src/oci/manifest-json.ts'
import { partsIn } from '../../src/oci/manifest-parts.ts'
import { referencesIn } from '../../src/oci/manifest.ts'
import { manifestOf } from '../../src/upstream/body/manifest-type.ts'

const digest = `sha256:${'a'.repeat(64)}`
const list = (count: number): string => Array(count).fill(`{"digest":"${digest}"}`).join()
const textOf = (rest: string): Buffer => Buffer.from(`{"schemaVersion":2,${rest}}`)
const nested = (depth: number): Buffer =>
  textOf(`"layers":[],"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}`)

suite('SEC-73: a manifest within the limits is taken, one beyond is refused before it is parsed', () => {
  const cases: [what: string, body: Buffer, excess: string | undefined][] = [
    ['10,000 layers', textOf(`"layers":[${list(10_000)}]`), undefined],
    ['10,001 layers', textOf(`"layers":[${list(10_001)}]`), 'more than 10000 references'],
    ['10,001 manifests', textOf(`"manifests":[${list(10_001)}]`), 'more than 10000 references'],
    [
      'two lists with 10,001',
      textOf(`"layers":[${list(5000)}],"blobs":[${list(5001)}]`),
      'more than 10000 references',
    ],
    ['64 levels', nested(64), undefined],
    ['65 levels', nested(65), 'a nesting deeper than 64'],
    ['two million levels', nested(2_000_000), 'a nesting deeper than 64'],
    ['objects in objects', Buffer.from('{"a":'.repeat(65)), 'a nesting deeper than 64'],
    [
      'many keys',
      textOf(`"layers":[],${Array.from({ length: 100_001 }, (_, i) => `"${i}":0`).join()}`),
      'more than 100000 JSON values',
    ],
    ['brackets in a text', textOf(`"layers":[],"a":"${'[{,\\"'.repeat(200_000)}"`), undefined],
    [
      'brackets in a long text',
      textOf(`"layers":[],"a":"${`${'x'.repeat(1000)}[\\\\[\\"[`.repeat(200)}"`),
      undefined,
    ],
  ]
  for (const [what, body, excess] of cases) {
    test(what, async () => {
      assert.equal(excessIn(body), excess)
      const type = body.includes('"manifests"') ? OCI_INDEX : OCI_MANIFEST
      for (const contentType of excess === undefined ? [type] : [type, DOCKER_SCHEMA1_SIGNED]) {
        const taken = await manifestOf(body, contentType)
        assert.equal('problem' in taken ? taken.problem : undefined, excess && `manifest with ${excess}`)
      }
      if (excess === undefined) return
      // What an older version has stored is not parsed either.
      assert.equal(parseManifest(body), undefined)
      assert.deepEqual(referencesIn({ body }), { blobs: [], digests: [] })
      assert.deepEqual(partsIn(body), { manifests: [], content: [] })
    })
  }

  test('what is counted is what JSON.parse makes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 12 }), (value) => {
        const depth = depthOf(value)
        const body = Buffer.from(JSON.stringify(value))
        assert.equal(excessIn(body, { nesting: depth }), undefined)
        if (depth > 0)
          assert.equal(excessIn(body, { nesting: depth - 1 }), `a nesting deeper than ${depth - 1}`)
      }),
    )
  })
})

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
