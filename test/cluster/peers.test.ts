/** What one replica gives to another, over real sockets. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { peerSecret, SECRET_HEADER } from '../../src/cluster/peers/peer-secret.ts'
import { peers } from '../../src/cluster/peers/peers.ts'
import { registryRequestListener } from '../../src/http/request-listener.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { bytesOf, readerOf } from '../s3/remote-blobs-suite.ts'
import { blobOf } from '../support/fixtures.ts'

const blob = blobOf(300_000)
const missing = blobOf(10, 2)
const secret = peerSecret('a secret of all replicas')

async function peer() {
  const asked: string[] = []
  const server = createServer(
    registryRequestListener({
      registry: { find: () => assert.fail('asks the registry') },
      telemetry: { answered() {} },
      peers: {
        isPeer: secret.isRight,
        async open(upstream, digest) {
          asked.push(upstream)
          return digest === blob.digest ? readerOf(blob.bytes, blob.digest) : undefined
        },
      },
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
    await using own = peers(secret)
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
    const tokens = [undefined, '', 'x', peerSecret('another secret of 16').token(), `${secret.token()}x`]
    for (const token of tokens) {
      const answer = await fetch(path, { headers: token === undefined ? {} : { [SECRET_HEADER]: token } })
      assert.equal(answer.status, 404)
      assert.equal(answer.headers.get('docker-content-digest'), null)
    }
    assert.deepEqual(other.asked, [])
    await using stranger = peers(peerSecret('another secret of 16'))
    assert.equal(
      await stranger.open(other.url, { upstream: 'a', digest: blob.digest }, undefined, signal),
      undefined,
    )
  })

  test('one that is gone is an outage', async () => {
    const other = await peer()
    await other[Symbol.asyncDispose]()
    await using own = peers(secret)
    await assert.rejects(
      own.open(other.url, { upstream: 'a', digest: blob.digest }, undefined, signal),
      (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT'),
    )
  })
})
