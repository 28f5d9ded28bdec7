/** containerd's `?ns=` selects a configured upstream, and nothing else. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call } from '../support/raw-client.ts'
import { type RegistryServer, serveRegistry } from '../support/registry-server.ts'

const registry = new MemoryRegistry()
const { bytes, digest } = blobOf(2000)
const manifest = manifestOf([bytes])
registry.addManifest(manifest, { tag: 'latest' })
const MANIFEST = '/v2/library/app/manifests/latest'

let server: RegistryServer
before(async () => (server = await serveRegistry(registry)))
after(() => server.close(0))

const codeOf = (body: Buffer): string => JSON.parse(body.toString()).errors[0].code

describe('ns', () => {
  const withQuery = (query: string) => call(server.port, 'GET', `${MANIFEST}?${query}`)

  test('a known one is echoed', async () => {
    const { status, headers } = await withQuery('ns=example.com')
    assert.deepEqual([status, headers['oci-namespace']], [200, 'example.com'])
    assert.equal((await call(server.port, 'GET', MANIFEST)).headers['oci-namespace'], undefined)
  })

  test('SEC-06: an unknown one is 404, an odd one 400, neither is echoed', async () => {
    const cases = {
      'ns=169.254.169.254': [404, 'NAME_UNKNOWN'],
      'ns=evil.com:443': [404, 'NAME_UNKNOWN'],
      'ns=[::1]:80': [404, 'NAME_UNKNOWN'],
      'ns=docker.io%0d%0aX-Evil:%20yes': [400, 'NAME_INVALID'],
      'ns=example.com&ns=example.com': [400, 'NAME_INVALID'],
      'ns=': [400, 'NAME_INVALID'],
      'ns=http://example.com': [400, 'NAME_INVALID'],
      'ns=user@example.com': [400, 'NAME_INVALID'],
      'ns=example.com/x': [400, 'NAME_INVALID'],
      'ns=%00': [400, 'NAME_INVALID'],
      'ns=.': [400, 'NAME_INVALID'],
    } as const
    for (const [query, expected] of Object.entries(cases)) {
      const { status, headers, body } = await withQuery(query)
      assert.deepEqual([status, codeOf(body)], expected, query)
      assert.equal(headers['oci-namespace'], undefined)
      assert.equal(headers['x-evil'], undefined)
    }
  })

  test('an unknown one is no NAME_UNKNOWN on referrers: oras would give up', async () => {
    const { status, body } = await call(server.port, 'GET', `/v2/x/referrers/${digest}?ns=evil.com`)
    assert.deepEqual([status, codeOf(body)], [404, 'MANIFEST_UNKNOWN'])
  })

  test('stays in the link to the next page', async () => {
    const { headers } = await call(server.port, 'GET', '/v2/library/app/tags/list?n=1&ns=example.com')
    assert.equal(headers['link'], undefined)
    registry.addManifest(manifest, { tag: 'zzz' })
    const more = await call(server.port, 'GET', '/v2/library/app/tags/list?n=1&ns=example.com')
    assert.equal(
      more.headers['link'],
      '</v2/library/app/tags/list?n=1&last=latest&ns=example.com>; rel="next"',
    )
  })
})
