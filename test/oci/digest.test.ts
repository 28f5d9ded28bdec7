import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { algorithmOf, digestOf, hexOf, isDigest, parseDigest } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'

const hex64 = 'a'.repeat(64)

test('SEC-32 only lower-case sha256 and sha512 digests of the right length are digests', () => {
  const hostile = [
    '',
    'sha256:',
    hex64,
    `sha256:${hex64}0`,
    `sha256:${hex64.slice(1)}`,
    `sha256:${hex64.toUpperCase()}`,
    `SHA256:${hex64}`,
    `sha256:${hex64}\n`,
    `sha256:${hex64}\0`,
    ` sha256:${hex64}`,
    `sha512:${hex64}`,
    `md5:${'a'.repeat(32)}`,
    `sha1:${'a'.repeat(40)}`,
    'sha256:../../etc/passwd',
    'sha256:%2e%2e',
    `sha256:${'g'.repeat(64)}`,
  ]
  for (const text of hostile) {
    assert.equal(isDigest(text), false, JSON.stringify(text))
    assert.throws(
      () => parseDigest(text),
      (error) => isRegistryError(error, 'DIGEST_INVALID'),
    )
  }
})

test('a digest is the hash of the bytes, under the algorithm asked for', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom('sha256', 'sha512'), (bytes, algorithm) => {
      const like = parseDigest(`${algorithm}:${createHash(algorithm).digest('hex')}`)
      const digest = digestOf(bytes, like)
      assert.equal(algorithmOf(digest), algorithm)
      assert.equal(hexOf(digest), createHash(algorithm).update(bytes).digest('hex'))
      assert.equal(parseDigest(digest), digest)
    }),
  )
})
