/** What is told of the credentials of an upstream: whether it accepts them. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { assertFails, connectTo } from './setup.ts'

for (const scheme of ['basic', 'bearer'] as const) {
  suite(`credentials of a ${scheme} upstream`, () => {
    test('are accepted, refused and accepted again', async () => {
      await using upstream = await fakeUpstream({ auth: { scheme, username: 'ci', password: 'right' } })
      upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
      let login = { username: 'ci', password: 'wrong' }
      await using client = connectTo(upstream.url, { credentials: async () => login })
      assert.equal(client.credentials(), undefined)

      await assertFails(client.repository().resolve('v1'), 'UPSTREAM_DENIED')
      assert.match(client.credentials()!, new RegExp(`^refused: ${upstream.authority} answers 401$`))

      login = { username: 'ci', password: 'right' }
      assert.ok(await client.repository().resolve('v1'))
      assert.match(client.credentials()!, /^accepted: /)
    })

    test('are accepted by an upstream that says that something does not exist', async () => {
      await using upstream = await fakeUpstream({ auth: { scheme, username: 'ci', password: 'right' } })
      await using client = connectTo(upstream.url, {
        credentials: async () => ({ username: 'ci', password: 'right' }),
      })
      assert.equal(await client.repository().resolve('absent'), undefined)
      assert.match(client.credentials()!, /^accepted: /)
    })
  })
}

test('nothing is told of credentials that were not shown, or not judged', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'basic', username: 'ci', password: 'right' } })
  const login = { username: 'ci', password: 'right' }
  await using anonymous = connectTo(upstream.url)
  await assertFails(anonymous.repository().resolve('v1'), 'UPSTREAM_DENIED')
  assert.equal(anonymous.credentials(), undefined)

  await using client = connectTo(upstream.url, { credentials: async () => login })
  upstream.on(/manifests/, { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="fake"' } })
  upstream.on(/manifests/, { status: 403, times: Infinity })
  await assertFails(client.repository().resolve('v1'), 'UPSTREAM_DENIED', { status: 403 })
  assert.equal(client.credentials(), undefined)
})
