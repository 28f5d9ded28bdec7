/** What one replica gives to another, over real sockets. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { peerTokens, TOKEN_HEADER } from '../../src/cluster/peers/peer-token.ts'
import { peers } from '../../src/cluster/peers/peers.ts'
import { registryRequestListener } from '../../src/http/request-listener.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { bytesOf, readerOf } from '../s3/remote-blobs-suite.ts'
import { blobOf } from '../support/fixtures.ts'

const blob = blobOf(300_000)
const missing = blobOf(10, 2)
const SECRET = 'a secret of all replicas'
const tokensOf = (secret: string, now: () => number = Date.now) => peerTokens({ secret, now })

async function peer(now: () => number = Date.now) {
  const asked: string[] = []
  const tokens = tokensOf(SECRET, now)
  let url = ''
  const server = createServer(
    registryRequestListener({
      registry: { find: () => assert.fail('asks the registry') },
      telemetry: { answered() {} },
      peers: {
        isPeer: (token, upstream, digest) => tokens.isRight(token, { address: url, upstream, digest }),
        async open(upstream, digest) {
          asked.push(upstream)
          return digest === blob.digest ? readerOf(blob.bytes, blob.digest) : undefined
        },
      },
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const { signal } = new AbortController()

suite('peers', () => {
  test('a replica gets what another one has, whole and in ranges', async () => {
    await using other = await peer()
    await using own = peers(tokensOf(SECRET))
    for (const range of [undefined, { start: 0 }, { start: 1_000 }, { start: 5, end: 10 }]) {
      const body = (await own.open(
        other.url,
        { upstream: 'example.internal:5443', digest: blob.digest },
        range,
        signal,
      ))!
      assert.equal(body.start, range?.start ?? 0)
      assert.equal(body.total, 300_000)
      assert.deepEqual(await bytesOf(body), blob.bytes.subarray(range?.start ?? 0, range?.end))
    }
    assert.deepEqual(new Set(other.asked), new Set(['example.internal:5443']))
    assert.equal(
      await own.open(other.url, { upstream: 'a', digest: missing.digest }, undefined, signal),
      undefined,
    )
  })

  test('nobody else gets anything, nor learns that there is something', async () => {
    await using other = await peer()
    const path = `${other.url}/peer/docker.io/${blob.digest}`
    const right = { address: other.url, upstream: 'docker.io', digest: blob.digest }
    const own = tokensOf(SECRET)
    const token = own.token(right)
    const tokens = [
      undefined,
      '',
      'x',
      tokensOf('another secret of 16').token(right),
      `${token}x`,
      `${Number(token.split('.')[0]) + 1}.${token.split('.')[1]}`,
    ]
    for (const token of tokens) {
      const answer = await fetch(path, { headers: token === undefined ? {} : { [TOKEN_HEADER]: token } })
      assert.equal(answer.status, 404)
      assert.equal(answer.headers.get('docker-content-digest'), null)
    }
    assert.deepEqual(other.asked, [])
    await using stranger = peers(tokensOf('another secret of 16'))
    assert.equal(
      await stranger.open(other.url, { upstream: 'a', digest: blob.digest }, undefined, signal),
      undefined,
    )
  })

  test('SEC-08: a captured token is of no use at another replica, for another blob, or a minute later', async () => {
    let now = Date.now()
    await using other = await peer(() => now)
    const get = async (token: string, upstream = 'docker.io', digest: string = blob.digest) =>
      (await fetch(`${other.url}/peer/${upstream}/${digest}`, { headers: { [TOKEN_HEADER]: token } })).status
    const right = { address: other.url, upstream: 'docker.io', digest: blob.digest }
    const own = tokensOf(SECRET, () => now)
    const captured = own.token(right)
    assert.equal(await get(captured), 200)
    assert.equal(await get(own.token({ ...right, address: 'http://10.0.0.5:5000' })), 404)
    assert.equal(await get(captured, 'ghcr.io'), 404)
    assert.equal(await get(captured, 'docker.io', missing.digest), 404)
    // Clocks of replicas are known to a second.
    for (const apart of [-20_000, 20_000]) {
      now += apart
      assert.equal(await get(captured), 200)
      now -= apart
    }
    now += 30_001
    assert.equal(await get(captured), 404)
    now -= 60_002
    assert.equal(await get(captured), 404)
    assert.deepEqual(new Set(other.asked), new Set(['docker.io']))
  })

  test('one that is gone is an outage', async () => {
    const other = await peer()
    await other[Symbol.asyncDispose]()
    await using own = peers(tokensOf(SECRET))
    await assert.rejects(
      own.open(other.url, { upstream: 'a', digest: blob.digest }, undefined, signal),
      (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT'),
    )
  })
})
