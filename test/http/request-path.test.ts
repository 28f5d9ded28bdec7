import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { parseRequestPath } from '../../src/http/request-path.ts'

const digest = digestOf(Buffer.from('content'))

/** The path's meaning, or the code of the error it is refused with. */
function meaning(path: string) {
  try {
    return parseRequestPath(path)
  } catch (error) {
    assert.ok(error instanceof RegistryError)
    return error.code
  }
}

test('the paths of the distribution spec', () => {
  assert.deepEqual(meaning('/v2/'), { kind: 'ping' })
  assert.deepEqual(meaning('/v2'), { kind: 'ping' })
  assert.deepEqual(meaning('/v2/library/alpine/manifests/3.20'), {
    kind: 'manifest',
    name: 'library/alpine',
    reference: { tag: '3.20' },
  })
  assert.deepEqual(meaning(`/v2/a/manifests/${digest}`), {
    kind: 'manifest',
    name: 'a',
    reference: { digest },
  })
  assert.deepEqual(meaning(`/v2/ghcr.io/org/app/blobs/${digest}`), {
    kind: 'blob',
    name: 'ghcr.io/org/app',
    digest,
  })
  assert.deepEqual(meaning('/v2/a/b/tags/list'), { kind: 'tags', name: 'a/b' })
  assert.deepEqual(meaning(`/v2/a/referrers/${digest}`), { kind: 'referrers', name: 'a', digest })
})

test('repositories may be called like the words of the grammar', () => {
  assert.deepEqual(meaning(`/v2/foo/blobs/bar/manifests/latest`), {
    kind: 'manifest',
    name: 'foo/blobs/bar',
    reference: { tag: 'latest' },
  })
  assert.deepEqual(meaning('/v2/tags/list/tags/list'), { kind: 'tags', name: 'tags/list' })
})

test('SEC-50 what is malformed is refused by name, and what is no path of the spec is none', () => {
  const table: [path: string, expected: unknown][] = [
    ['/', undefined],
    ['/v1/', undefined],
    ['/v2/x', undefined],
    ['/v2/_catalog', undefined],
    ['/v2//manifests/x', undefined],
    ['/v2/a/manifests/', undefined],
    ['/v2/a/blobs/x/y', undefined],
    ['/v2//a/manifests/x', 'NAME_INVALID'],
    ['/v2/a//b/manifests/x', 'NAME_INVALID'],
    ['/v2/../a/manifests/x', 'NAME_INVALID'],
    ['/v2/a/../../etc/manifests/x', 'NAME_INVALID'],
    ['/v2/a%2fb/manifests/x', 'NAME_INVALID'],
    ['/v2/a\\b/manifests/x', 'NAME_INVALID'],
    ['/v2/A/manifests/x', 'NAME_INVALID'],
    ['/v2/a\0/manifests/x', 'NAME_INVALID'],
    ['/v2/a;b/manifests/x', 'NAME_INVALID'],
    [`/v2/${'a'.repeat(256)}/manifests/x`, 'NAME_INVALID'],
    ['/v2/a/manifests/.x', 'TAG_INVALID'],
    [`/v2/a/manifests/${'x'.repeat(129)}`, 'TAG_INVALID'],
    ['/v2/a/manifests/x%00', 'TAG_INVALID'],
    ['/v2/a/manifests/sha256:x', 'DIGEST_INVALID'],
    ['/v2/a/blobs/latest', 'DIGEST_INVALID'],
    ['/v2/a/blobs/..', 'DIGEST_INVALID'],
    ['/v2/a/referrers/latest', 'DIGEST_INVALID'],
  ]
  for (const [path, expected] of table) assert.deepEqual(meaning(path), expected, JSON.stringify(path))
})

test('whatever is accepted reads back as the same path', () => {
  const component = fc.stringMatching(/^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+){0,2}$/)
  const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/)
  fc.assert(
    fc.property(name, tag, (name, tag) => {
      fc.pre(name.length <= 255)
      assert.deepEqual(meaning(`/v2/${name}/manifests/${tag}`), {
        kind: 'manifest',
        name,
        reference: { tag },
      })
    }),
  )
})

test('no string at all makes it throw anything but a registry error', () => {
  fc.assert(fc.property(fc.string(), (text) => void meaning(`/v2/${text}`)))
})
