/** What `entrepot why` knows of an image with several platforms, of routes, rules, pins and who may pull. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Why } from '../../src/ports/insight/why.ts'
import { runEntrepot } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, indexOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

async function whyOf({ adminUrl }: Proxy, image: string): Promise<Why> {
  const response = await fetch(`${adminUrl}/api/v1/why?image=${encodeURIComponent(image)}`)
  assert.equal(response.status, 200)
  return (await response.json()) as Why
}

const config = Buffer.from('{}')
const [amd, arm] = [blobOf(50_000, 1), blobOf(60_000, 2)]

/** `app:1` for two platforms, with an attestation. */
function addIndex(upstream: FakeUpstream): { readonly amd64: string } {
  for (const bytes of [config, amd.bytes, arm.bytes]) upstream.addBlob(bytes)
  const add = (layer: Buffer) =>
    upstream.addManifest('library/app', undefined, manifestOf([layer]), OCI_MANIFEST)
  const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } })
  const [amd64, arm64] = [add(amd.bytes), add(arm.bytes)]
  const attested = upstream.addManifest('library/app', undefined, manifestOf([config]), OCI_MANIFEST)
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest' }
  const manifests = [
    { ...amd64, ...platform('amd64') },
    { ...arm64, ...platform('arm64') },
    { ...attested, annotations, ...platform('unknown') },
  ]
  upstream.addManifest('library/app', '1', indexOf(manifests), OCI_INDEX)
  return { amd64: amd64.digest }
}

suite('entrepot why', { concurrency: true }, () => {
  test('an image of which upstream lacks a layer: that it fails, and which one it is', async () => {
    await using upstream = await fakeUpstream()
    upstream.addBlob(config)
    upstream.addManifest('library/app', '1', manifestOf([amd.bytes]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream })
    await call(proxy.port, 'GET', '/v2/app/manifests/1')
    const before = await whyOf(proxy, 'app:1')
    assert.equal(before.works, 'unknown')
    assert.match(before.verdict, /^is fetched from docker\.io: 2 of its 2 parts are not stored/)
    assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${digestOf(config)}`)).status, 200)
    await eventually(async () => (await whyOf(proxy, 'app:1')).verdict.includes('1 of its 2 parts is not'))
    assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${amd.digest}`)).status, 404)
    const { verdict, works, advice } = await whyOf(proxy, 'app:1')
    assert.equal(works, 'no')
    assert.equal(verdict, `fails: docker.io does not have ${amd.digest.slice(7, 19)}, which is a part of it`)
    assert.match(advice!, /^push the image to docker\.io again/)
  })

  test('of an image with platforms: what is whole is served while upstream is down', async () => {
    await using upstream = await fakeUpstream()
    const { amd64 } = addIndex(upstream)
    await using proxy = await startProxy({ upstream, config: { cache: { tags: [], staleIfError: '2h' } } })
    const get = (path: string) => call(proxy.port, 'GET', `/v2/app/${path}`)
    for (const path of [
      'manifests/1',
      `manifests/${amd64}`,
      `blobs/${amd.digest}`,
      `blobs/${digestOf(config)}`,
    ])
      assert.equal((await get(path)).status, 200)
    await eventually(async () => (await whyOf(proxy, 'app:1')).pull?.withoutUpstream.length === 1)
    const before = await whyOf(proxy, 'app:1')
    assert.deepEqual(
      before.stored?.platforms.map(({ platform, state, parts }) => [platform, state, parts]),
      [
        ['linux/amd64', 'whole', 2],
        ['linux/arm64', 'missing', 0],
        ['attestation', 'missing', 0],
      ],
    )
    assert.deepEqual(before.pull?.withoutUpstream, ['linux/amd64'])
    assert.equal(before.verdict, 'works: one HEAD to docker.io, then served from the store')
    await upstream.stop()
    assert.equal((await get('manifests/1')).status, 200)
    const after = await whyOf(proxy, 'app:1')
    assert.equal(after.works, 'yes')
    assert.match(
      after.verdict,
      /^works until 2\S+Z: the stored copy is served while docker\.io refuses connections: nothing listens/,
    )
    const left = Date.parse(after.tag!.servedUntil) - Date.now()
    assert.ok(left > 7_000_000 && left <= 7_200_000, `${left} ms`)
  })

  test('is no use of the image, and shows what a tag pointed to', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config: { cache: { tags: [] } } })
    for (const text of ['first', 'second']) {
      upstream.addManifest('library/app', '1', manifestOf([Buffer.from(text)]), OCI_MANIFEST)
      assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1')).status, 200)
    }
    const one = await whyOf(proxy, 'app:1')
    const two = await whyOf(proxy, 'app:1')
    assert.equal(one.history.length, 2)
    const listed = await runEntrepot('history', 'app:1', '--server', proxy.adminUrl)
    assert.equal(listed.code, 0, listed.stderr)
    const digests = listed.stdout.split('\n').slice(1, 3)
    one.history.forEach(({ digest, at }, i) =>
      assert.ok(digests[i]!.startsWith(`${digest}  ${at.slice(0, 19)}Z`)),
    )
    const unknown = await runEntrepot('history', 'app:9', '--server', proxy.adminUrl)
    assert.deepEqual(unknown, {
      code: 1,
      stdout: '',
      stderr: 'nothing is known of the past of docker.io/library/app:9\n',
    })
    assert.equal(one.history[0]!.digest, one.tag?.digest)
    assert.deepEqual([two.stored?.hits, two.stored?.lastUsed], [one.stored?.hits, one.stored?.lastUsed])
  })

  test('names route, pin and who may pull', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    const users = join(folder.path, 'users')
    await writeFile(users, `ci:${hashSync('right', 4)}\n`)
    upstream.addManifest('team/app', '1', manifestOf([]), OCI_MANIFEST)
    await using proxy = await startProxy({
      upstream,
      folder: folder.path,
      upstreamConfig: { aliases: ['hub'], allow: ['team/*'] },
      config: {
        cache: { pin: ['docker.io/team/app:*'] },
        access: {
          htpasswd: users,
          networks: ['127.0.0.0/8'],
          rules: [
            { identity: 'ci', repositories: ['docker.io/team/*'] },
            { repositories: ['docker.io/open/*'] },
          ],
        },
      },
    })
    const { route, pinnedBy, evictedAt, access } = await whyOf(proxy, 'hub/team/app:1')
    assert.deepEqual([route?.upstream, route?.rule], ['docker.io', 'hub is an alias of docker.io'])
    assert.deepEqual([pinnedBy, evictedAt], ['docker.io/team/app:*', null])
    assert.equal(access, 'ci (access.rules[0]) from 127.0.0.0/8')
    const other = await whyOf(proxy, 'other/app:1')
    assert.equal(other.verdict, 'fails: the configuration forbids it (upstreams.docker.io.allow: team/*)')
    assert.equal(other.advice, 'add other/app to upstreams.docker.io.allow if clients should have it')
  })
})
