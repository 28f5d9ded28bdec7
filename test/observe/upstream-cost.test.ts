/** What the access line tells of the requests upstream that an answer was the cause of. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

const layer = blobOf(400_000)

async function lines(proxy: Proxy, count: number): Promise<readonly Record<string, unknown>[]> {
  const found = () => proxy.log.filter(({ msg }) => msg === 'request')
  await eventually(() => found().length >= count, 20_000)
  return found()
}

const get = ({ port }: Proxy, path: string) => call(port, 'GET', `/v2/app/${path}`)

suite('the access line', { concurrency: true }, () => {
  test('has the requests upstream and their time, with tokens and attempts; a hit has neither', async () => {
    const login = { username: 'ci', password: 'right' }
    await using upstream = await fakeUpstream({ auth: { scheme: 'bearer', ...login } })
    upstream.addManifest('library/app', '1', manifestOf([layer.bytes]), OCI_MANIFEST)
    upstream.addBlob(layer.bytes)
    upstream.on(/blobs/, { atByte: { k: 200_000, then: 'reset' } })
    upstream.on(/manifests/, { delayMs: 100, times: Infinity })
    await using proxy = await startProxy({ upstream, upstreamConfig: login, requests: true })
    const counts: number[] = []
    for (const path of [
      'manifests/1',
      `blobs/${layer.digest}`,
      'manifests/1',
      `blobs/${layer.digest}`,
      'manifests/absent',
    ]) {
      const before = upstream.requests.length
      await get(proxy, path)
      counts.push(upstream.requests.length - before)
    }
    const told = await lines(proxy, 5)
    assert.ok(counts[0]! >= 4, 'challenge, token, HEAD and GET')
    assert.ok(counts[1]! >= 2, 'it was resumed')
    assert.deepEqual(counts.slice(2, 4), [0, 0])
    assert.deepEqual(
      told.map(({ upstreamRequests }) => upstreamRequests ?? 0),
      counts,
    )
    assert.ok(Number(told[0]!['upstreamMs']) >= 190, 'two that took 100 ms each')
    assert.ok(told[2]!['upstreamMs'] === undefined)
    assert.ok(Number(told[4]!['upstreamMs']) >= 90, 'also of what does not exist')
  })

  test('of a failure too; of those who join nothing', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', '1', manifestOf([]), OCI_MANIFEST)
    upstream.on(/manifests\/broken/, { status: 500, times: Infinity })
    upstream.on(/manifests/, { delayMs: 200, times: Infinity })
    await using proxy = await startProxy({ upstream, requests: true })
    assert.equal((await get(proxy, 'manifests/broken')).status, 502)
    const before = upstream.requests.length
    await Promise.all(Array.from({ length: 5 }, () => get(proxy, 'manifests/1')))
    const sent = upstream.requests.length - before
    const [failed, ...others] = await lines(proxy, 6)
    assert.ok(Number(failed!['upstreamRequests']) >= 1)
    const own = others.map(({ upstreamRequests }) => Number(upstreamRequests ?? 0))
    assert.equal(
      own.reduce((sum, count) => sum + count, 0),
      sent,
    )
    assert.equal(own.filter((count) => count > 0).length, 1)
  })
})
