/** `entrepot status`: what it says of a proxy with upstreams in every state. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Status } from '../../src/ports/insight/insight.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call, RawClient } from '../support/raw-client.ts'

const MANIFEST = manifestOf([])

suite('entrepot status', { concurrency: true }, () => {
  test('names each upstream, its state, since when, and what it said; and disk, downloads and version', async () => {
    await using well = await fakeUpstream()
    await using gone = await fakeUpstream()
    await using locked = await fakeUpstream({ auth: { scheme: 'bearer', username: 'ci', password: 'right' } })
    await using busy = await fakeUpstream()
    const layer = blobOf(3_000_000)
    well.addManifest('app', '1', MANIFEST, OCI_MANIFEST)
    well.addBlob(layer.bytes)
    well.on(/manifests/, { headers: { 'RateLimit-Limit': '100;w=60', 'RateLimit-Remaining': '76;w=60' } })
    busy.on(/manifests/, { status: 429, headers: { 'Retry-After': '40' }, times: Infinity })
    await using proxy = await startProxy({
      upstream: well,
      config: {
        publicUpstreams: false,
        upstreams: {
          'well.example': { url: well.url, timeouts: { idle: '30s' } },
          'gone.example': { url: gone.url },
          'locked.example': { url: locked.url, username: 'ci', password: 'wrong-password' },
          'busy.example': { url: busy.url },
          'quiet.example': { url: 'http://127.0.0.1:1' },
        },
        defaultUpstream: 'well.example',
      },
    })
    await gone.stop()
    const pull = (name: string) => call(proxy.port, 'GET', `/v2/${name}/manifests/1`)
    assert.equal((await pull('well.example/app')).status, 200)
    for (let i = 0; i < 6; i++) await pull(`gone.example/app${i}`)
    await pull('locked.example/app')
    await pull('busy.example/app')
    well.on(/blobs/, { atByte: { k: 2_000_000, then: 'stall' } })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/well.example/app/blobs/${layer.digest}`)
    const read = async () => (await (await fetch(`${proxy.adminUrl}/api/v1/upstreams`)).json()) as Status
    await eventually(async () => ((await read()).transfers[0]?.filled ?? 0) > 1_000_000)

    const { code, stdout, stderr } = await runEntrepot('status', '--server', proxy.adminUrl)
    assert.deepEqual([code, stderr], [0, ''])
    const lines = stdout.split('\n')
    const line = (name: string) => lines.find((text) => text.startsWith(`${name} `)) ?? ''
    assert.match(lines[0]!, /^UPSTREAM +STATE +SINCE +STORED +LIMIT LEFT +CREDENTIALS +SAID LAST$/)
    const AGE = '(?:now|\\d+ s)'
    assert.match(
      line('well.example'),
      new RegExp(`^well\\.example +up +${AGE} +\\d+ B +76 of 100 +none +answered 200$`),
    )
    assert.match(
      line('gone.example'),
      new RegExp(`^gone\\.example +out +${AGE} +0 B +- +none +refuses connections: nothing listens`),
    )
    assert.match(
      line('locked.example'),
      new RegExp(`^locked\\.example +up +${AGE} +0 B +- +refused +refuses the configured credentials$`),
    )
    assert.match(
      line('busy.example'),
      new RegExp(
        `^busy\\.example +limited +${AGE} +0 B +- +none +limits our requests \\(429\\), for 40 s more$`,
      ),
    )
    assert.match(
      line('quiet.example'),
      new RegExp(`^quiet\\.example +up +${AGE} +0 B +- +none +was not asked yet$`),
    )
    assert.ok(lines.includes('gone.example: check upstreams.gone.example.url, and that the registry runs'))
    assert.ok(lines.includes('locked.example: correct the credentials of upstreams.locked.example'))
    assert.match(stdout, /^store: \d+ B of 50 GiB in 1 object, .* free on the disk$/m)
    assert.match(stdout, /^1 running download, /m)
    assert.match(stdout, /^entrepot \d+\.\d+\.\d+, up /m)
    assert.ok(!stdout.includes('wrong-password'))

    const status = JSON.parse((await runEntrepot('status', '--json', '--server', proxy.adminUrl)).stdout)
    assert.deepEqual(
      (status as Status).upstreams.map(({ name, state, credentials }) => [name, state, credentials]),
      [
        ['well.example', 'up', 'none'],
        ['gone.example', 'out', 'none'],
        ['locked.example', 'up', 'refused'],
        ['busy.example', 'limited', 'none'],
        ['quiet.example', 'up', 'none'],
      ],
    )
  })

  test('without a process it says where none answers', async () => {
    const { code, stdout, stderr } = await runEntrepot('status', '--server', 'http://127.0.0.1:1')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^entrepot: the admin listener http:\/\/127\.0\.0\.1:1 does not answer/)
  })
})
