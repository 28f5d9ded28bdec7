import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DOCKER_SCHEMA1_SIGNED } from '../../src/oci/media-types.ts'
import { digestedBytes } from '../../src/oci/signed-manifest.ts'
import { signatureProblem } from '../../src/schema1/signatures.ts'
import { EMPTY_LAYER, schema1Payload, signed } from '../support/schema1.ts'

const payload = schema1Payload([{ blob: EMPTY_LAYER }])

function problemOf(body: Buffer): Promise<string | undefined> {
  return signatureProblem(body, digestedBytes(body, DOCKER_SCHEMA1_SIGNED)!)
}

test('SEC-82: what registries sign is found right, and a manifest without signatures too', async () => {
  assert.equal(await problemOf(signed(payload)), undefined)
  assert.equal(await problemOf(payload), undefined)
})

test('SEC-82: a signature over anything else is a problem', async () => {
  const other = schema1Payload([{ blob: EMPTY_LAYER }, { blob: EMPTY_LAYER }])
  let foreign: unknown
  signed(other, (signature) => (foreign = signature['signature']))
  const broken: readonly ((signature: Record<string, unknown>) => void)[] = [
    (signature) => (signature['signature'] = foreign),
    (signature) => (signature['signature'] = 5),
    (signature) => delete signature['header'],
    (signature) => (signature['header'] = { alg: 'none' }),
    (signature) => (signature['header'] = { ...(signature['header'] as object), alg: 'RS256' }),
    (signature) =>
      (signature['header'] = { alg: 'ES256', jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } }),
    (signature) => (signature['header'] = { alg: 'ES256', jwk: 'key' }),
    (signature) => (signature['header'] = { alg: 'ES256', x5c: ['AAAA'] }),
  ]
  for (const change of broken) {
    const problem = await problemOf(signed(payload, change))
    assert.equal(problem, 'its signature does not match its content', String(change))
  }
})
