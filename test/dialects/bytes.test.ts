/** Whatever an upstream says of a blob, its bytes decide. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import type { Script } from '../support/fake-upstream/script.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call, RawClient } from '../support/raw-client.ts'

const { bytes, digest } = blobOf(300_000)
const BLOB = `/v2/library/app/blobs/${digest}`
const resumed = (script: Script): Script[] => [{ atByte: { k: 100_000, then: 'reset' } }, script]

suite('a body that goes on otherwise is asked for again, and the client has it all', () => {
  const total = bytes.length
  const continuations: Record<string, Script> = {
    'a shifted Content-Range': { headers: { 'Content-Range': `bytes 90000-${total - 10_001}/${total}` } },
    'a Content-Range from the start': { headers: { 'Content-Range': `bytes 0-${total - 100_001}/${total}` } },
    'another total': { headers: { 'Content-Range': `bytes 100000-${total - 1}/${total + 7}` } },
    'a Content-Range that contradicts itself': { headers: { 'Content-Range': `bytes 100000-50/${total}` } },
    'no Content-Range': { headers: { 'Content-Range': undefined } },
    'an empty body': { body: '', headers: { 'Content-Range': `bytes 100000-${total - 1}/${total}` } },
  }
  for (const [what, script] of Object.entries(continuations)) {
    test(what, async () => {
      await using upstream = await fakeUpstream()
      await using proxy = await startProxy({ upstream })
      upstream.addBlob(bytes)
      for (const one of resumed(script)) upstream.on(BLOB, { method: 'GET', ...one })
      assert.ok((await call(proxy.port, 'GET', BLOB)).body.equals(bytes))
    })
  }
})

suite('FR-12 a label', () => {
  for (const label of ['gzip', 'aws-chunked']) {
    test(`FR-12 Content-Encoding: ${label} on bytes that have the digest`, async () => {
      await using upstream = await fakeUpstream()
      await using proxy = await startProxy({ upstream })
      upstream.addBlob(bytes)
      upstream.on(/blobs/, { headers: { 'Content-Encoding': label }, times: Infinity })
      const answer = await call(proxy.port, 'GET', BLOB)
      assert.ok(answer.body.equals(bytes))
      assert.equal(answer.headers['content-encoding'], undefined)
      const range = await call(proxy.port, 'GET', BLOB, ['Range: bytes=5-9'])
      assert.ok(range.body.equals(bytes.subarray(5, 10)))
    })
  }
})

suite('an empty answer for something', () => {
  const empties: Record<string, Script> = {
    'Content-Length: 0': { status: 200, body: '' },
    chunked: { status: 200, body: '', contentLength: 'chunked' },
    'until the connection closes': { status: 200, body: '', contentLength: 'none' },
  }
  for (const [what, script] of Object.entries(empties)) {
    for (const isKnown of [false, true]) {
      test(`is never a complete one: ${what}, ${isKnown ? 'of a known size' : 'of an unknown size'}`, async () => {
        await using upstream = await fakeUpstream()
        await using proxy = await startProxy({ upstream })
        upstream.addManifest('library/app', 'latest', manifestOf([bytes]), OCI_MANIFEST)
        if (isKnown) await call(proxy.port, 'GET', '/v2/library/app/manifests/latest')
        upstream.on(/blobs/, { ...script, times: Infinity })
        using client = await RawClient.connect(proxy.port)
        client.request('GET', BLOB, ['Connection: close'])
        const answer = (await client.rest()).toString('latin1')
        const [, status, length] = /^HTTP\/1\.1 (\d+).*?content-length: (\d+)/is.exec(answer)!
        const isBroken = status === '200' && Number(length) === bytes.length
        assert.ok(status === '502' || isBroken, answer.slice(0, 300))
      })
    }
  }

  test('once is only once', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { status: 200, body: '' })
    assert.ok((await call(proxy.port, 'GET', BLOB)).body.equals(bytes))
  })
})

suite('FR-24 ranges of a cold blob', () => {
  const big = blobOf(64 * 1024 * 1024, 9)
  const path = `/v2/library/app/blobs/${big.digest}`
  const layouts = { 'sixteen large ones': 16, 'hundreds of small ones': 256 }
  for (const [what, count] of Object.entries(layouts)) {
    test(`FR-24 ${what} at once: each is right, and upstream sends the blob once`, async (t) => {
      await using upstream = await fakeUpstream()
      await using proxy = await startProxy({ upstream })
      upstream.addBlob(big.bytes)
      const size = big.bytes.length / count
      await Promise.all(
        Array.from({ length: count }, async (_, i) => {
          const [start, end] = [i * size, (i + 1) * size - 1]
          const answer = await call(proxy.port, 'GET', path, [`Range: bytes=${start}-${end}`])
          assert.equal(answer.status, 206)
          assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${big.bytes.length}`)
          assert.ok(answer.body.equals(big.bytes.subarray(start, end + 1)), `range ${i}`)
        }),
      )
      const sent = upstream.bodyBytes(/blobs/) / big.bytes.length
      t.diagnostic(`${sent} times its size`)
      assert.ok(sent <= 1.1, `${sent} times its size`)
    })
  }

  for (const bytesPerSecond of [undefined, 24 * 1024 * 1024, 8 * 1024 * 1024]) {
    const rate = bytesPerSecond === undefined ? 'as fast as it can' : `${bytesPerSecond / 1024 / 1024} MiB/s`
    test(`FR-24 as containerd asks, open-ended, three at a time; upstream sends ${rate}`, async (t) => {
      await using upstream = await fakeUpstream(bytesPerSecond === undefined ? {} : { bytesPerSecond })
      await using proxy = await startProxy({ upstream })
      const layer = blobOf(48 * 1024 * 1024, 10)
      upstream.addBlob(layer.bytes)
      const part = 8 * 1024 * 1024
      const starts = Array.from({ length: 6 }, (_, i) => i * part)
      const connection = async () => {
        for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
          const target = new URL(`http://127.0.0.1:${proxy.port}/v2/library/app/blobs/${layer.digest}`)
          const answer = await fetch(target, { headers: { Range: `bytes=${start}-` } })
          const reader = answer.body!.getReader()
          const bytes: Uint8Array[] = []
          for (let count = 0; count < part;) {
            const { value } = await reader.read()
            bytes.push(value!)
            count += value!.length
          }
          await reader.cancel()
          const got = Buffer.concat(bytes).subarray(0, part)
          assert.ok(got.equals(layer.bytes.subarray(start, start + part)), `from ${start}`)
        }
      }
      await Promise.all([connection(), connection(), connection()])
      const sent = upstream.bodyBytes(/blobs/) / layer.bytes.length
      t.diagnostic(`${sent} times its size`)
      assert.ok(sent <= 1.1, `${sent} times its size`)
    })
  }
})
