/** Every form in which clients name an upstream, from the request to the upstream. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

const { bytes, digest } = blobOf(1000)
const manifest = manifestOf([bytes])

suite('prefix and ns', () => {
  const forms = {
    'a prefix': (path: string) => `/v2/registry.example/org/app/${path}`,
    ns: (path: string) => `/v2/org/app/${path}?ns=registry.example`,
    'containerd with override_path and BuildKit with a mirror path': (path: string) =>
      `/v2/registry.example/org/app/${path}?ns=registry.example`,
    'a k3s rewrite to an alias': (path: string) => `/v2/mirror.example/org/app/${path}?ns=registry.example`,
  }
  for (const [what, form] of Object.entries(forms)) {
    test(`FR-01 ${what} reaches the same repository`, async () => {
      await using upstream = await fakeUpstream({ referrers: true })
      await using proxy = await startProxy({
        upstream,
        config: { upstreams: { 'registry.example': { url: upstream.url, aliases: ['mirror.example'] } } },
      })
      upstream.addManifest('org/app', 'latest', manifest, OCI_MANIFEST)
      upstream.addBlob(bytes)
      for (const path of [
        'manifests/latest',
        `manifests/${digestOf(manifest)}`,
        `blobs/${digest}`,
        'tags/list',
        `referrers/${digest}`,
      ]) {
        assert.equal((await call(proxy.port, 'GET', form(path))).status, 200, form(path))
      }
      for (const { path } of upstream.requests) assert.match(path, /^\/v2\/org\/app\//)
    })
  }
})

test('FR-22 Docker 29 with one hosts.toml for all registries names each by ns, and falls back from a 404', async () => {
  await using upstream = await fakeUpstream()
  await using other = await fakeUpstream()
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  other.addManifest('org/app', 'latest', manifest, OCI_MANIFEST)
  const upstreams = { 'docker.io': { url: upstream.url }, 'ghcr.io': { url: other.url } }
  await using proxy = await startProxy({ upstream, config: { upstreams } })
  const status = async (path: string) => (await call(proxy.port, 'HEAD', path)).status
  assert.equal(await status('/v2/library/app/manifests/latest?ns=docker.io'), 200)
  assert.equal(await status('/v2/org/app/manifests/latest?ns=ghcr.io'), 200)
  assert.equal(await status('/v2/org/app/manifests/latest?ns=registry.example%3A5000'), 404)
})

test('FR-17 SEC-83 a registry that is not configured is a 404 that names it, and nobody is asked', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream, upstreamConfig: { deny: ['library/secret'] } })
  for (const [name, registry] of [
    ['unknown.example/app', 'unknown.example'],
    ['docker.io/other.example/app', 'other.example'],
    ['docker.io/docker.io/library/secret', 'docker.io'],
  ]) {
    const answer = await call(proxy.port, 'GET', `/v2/${name}/manifests/latest`)
    assert.equal(answer.status, 404)
    const [error] = JSON.parse(answer.body.toString()).errors
    assert.equal(error.detail.reason, `${registry} is not a configured upstream`)
  }
  const byNamespace = await call(proxy.port, 'GET', '/v2/app/manifests/latest?ns=unknown.example')
  assert.match(byNamespace.body.toString(), /unknown\.example is not a configured upstream/)
  assert.equal(upstream.requests.length, 0)
})

test('FR-45 load balancers get a 200 for GET /, also where clients have to log in', async () => {
  await using upstream = await fakeUpstream()
  await using folder = await tempFolder()
  await writeFile(join(folder.path, 'users'), `ci:${hashSync('secret', 4)}\n`)
  await using proxy = await startProxy({
    upstream,
    folder: folder.path,
    config: { access: { htpasswd: './users' } },
  })
  assert.equal((await call(proxy.port, 'GET', '/v2/')).status, 401)
  for (const method of ['GET', 'HEAD']) assert.equal((await call(proxy.port, method, '/')).status, 200)
  assert.equal((await call(proxy.port, 'GET', '/elsewhere')).status, 404)
  assert.equal(upstream.requests.length, 0)
})
