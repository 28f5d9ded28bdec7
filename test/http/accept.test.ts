import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takesSchema1, takesUnsigned } from '../../src/http/headers/accept.ts'
import {
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  OCI_INDEX,
} from '../../src/oci/media-types.ts'

for (const [accept, takes] of [
  [undefined, true],
  ['', true],
  ['*/*', true],
  ['application/*, text/html;q=0.8', true],
  ['application/json', true],
  ['application/vnd.example.artifact.v1+json', true],
  ['not a type, , ;', true],
  [DOCKER_SCHEMA1, true],
  [`${DOCKER_MANIFEST}, ${DOCKER_SCHEMA1_SIGNED}`, true],
  [`${DOCKER_MANIFEST},${DOCKER_SCHEMA1.toUpperCase()};q=0.1`, true],
  [DOCKER_MANIFEST, false],
  [`${DOCKER_MANIFEST}, */*`, false],
  [`${OCI_INDEX};q=0.9, */*;q=0.1`, false],
  [`${DOCKER_MANIFEST}, ${DOCKER_SCHEMA1};q=0`, false],
  [`${DOCKER_MANIFEST}, ${DOCKER_SCHEMA1} ; Q=0.000 ; a=b`, false],
  [`${DOCKER_MANIFEST};q=0`, true],
] as const) {
  test(`a client with the Accept ${accept} ${takes ? 'takes' : 'refuses'} schema 1`, () => {
    assert.equal(takesSchema1(accept === undefined ? {} : { accept }), takes)
  })
}

for (const [agent, takes] of [
  ['docker/28.5.2 go/go1.27.1 git-commit/3ef3c07 kernel/6.18 os/linux arch/amd64', false],
  ['docker/26.0.0', false],
  ['docker/25.0.9', true],
  ['docker/20.10.24+dfsg1', true],
  ['docker/1.13.1', true],
  ['skopeo/1.22.0', true],
] as const) {
  test(`${agent} ${takes ? 'takes' : 'refuses'} the schema 1 that it names`, () => {
    const accept = `${DOCKER_MANIFEST}, ${DOCKER_SCHEMA1_SIGNED}`
    assert.equal(takesSchema1({ accept, 'user-agent': agent }), takes)
  })
}

for (const [accept, takes] of [
  [undefined, true],
  [DOCKER_SCHEMA1_SIGNED, true],
  [`${DOCKER_MANIFEST}, ${DOCKER_SCHEMA1}`, true],
  // As Docker asks.
  [`${DOCKER_MANIFEST}, ${DOCKER_SCHEMA1_SIGNED}, application/json`, false],
] as const) {
  test(`a client with the Accept ${accept} ${takes ? 'takes' : 'refuses'} schema 1 that is not signed`, () => {
    assert.equal(takesUnsigned(accept === undefined ? {} : { accept }), takes)
  })
}
