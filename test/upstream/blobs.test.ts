import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import {
  fakeUpstream,
  type FakeUpstreamOptions,
  type FakeUpstream,
  type Script,
} from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { assertFails, bytesOf, connectTo, failureOf } from './setup.ts'

const SIZE = 100_000
const { bytes, digest } = blobOf(SIZE)
const PATH = `/v2/app/blobs/${digest}`

async function withBlob(options?: FakeUpstreamOptions): Promise<FakeUpstream> {
  const upstream = await fakeUpstream(options)
  upstream.addBlob(bytes)
  return upstream
}

test('a blob is one GET; its bytes are counted', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  const blob = await client.repository().blob(digest)
  assert.partialDeepStrictEqual(blob, { start: 0, total: SIZE, etag: `"${digest}"`, ranges: true })
  assert.deepEqual(await bytesOf(blob), bytes)
  assert.equal(client.received(), SIZE)
  assert.equal(upstream.requests.length, 1)
  assert.equal(upstream.requests[0]?.headers['accept-encoding'], 'identity')
  assert.equal(upstream.requests[0].headers['range'], undefined)
})

test('an upstream below a path is asked there', async () => {
  await using upstream = await withBlob()
  for (const url of [`${upstream.url}/mirror/`, `${upstream.url}/mirror`]) {
    await using client = connectTo(url)
    assert.equal(await client.repository().resolve('v1'), undefined)
    assert.equal(upstream.requests.at(-1)?.path, '/mirror/v2/app/manifests/v1')
  }
})

test('a range is half-open here and inclusive on the wire', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  const ranges = [
    [{ start: 10 }, 'bytes=10-', bytes.subarray(10)],
    [{ start: 10, end: 20 }, 'bytes=10-19', bytes.subarray(10, 20)],
    [{ end: 20 }, 'bytes=0-19', bytes.subarray(0, 20)],
    [{ start: SIZE - 1, end: SIZE + 5 }, `bytes=${SIZE - 1}-${SIZE + 4}`, bytes.subarray(SIZE - 1)],
    [{ start: 0 }, undefined, bytes],
  ] as const
  for (const [range, header, expected] of ranges) {
    const blob = await client.repository().blob(digest, range)
    assert.partialDeepStrictEqual(blob, {
      start: 'start' in range ? range.start : 0,
      total: SIZE,
      ranges: true,
    })
    assert.deepEqual(await bytesOf(blob), expected)
    assert.equal(upstream.requests.at(-1)?.headers['range'], header)
  }
  await assertFails(client.repository().blob(digest, { start: SIZE }), 'RANGE_INVALID', { status: 416 })
})

test('a 416 to who asked for no range is an invalid answer, not one about the range of a client', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  upstream.on(PATH, { status: 416, times: Infinity })
  for (const range of [undefined, { start: 0 }]) {
    await assertFails(client.repository().blob(digest, range), 'UPSTREAM_INVALID', { status: 416 })
  }
})

test('F28 SEC-38 an upstream that ignores Range says so: the body starts at 0', async () => {
  await using upstream = await withBlob({ ranges: false })
  await using client = connectTo(upstream.url)
  const blob = await client.repository().blob(digest, { start: 10 })
  assert.partialDeepStrictEqual(blob, { start: 0, total: SIZE, ranges: false })
  assert.deepEqual(await bytesOf(blob), bytes)
})

/** Bytes 20 to 29, as if they were what this header says. */
function partial(contentRange: string | undefined): Script {
  return { status: 206, body: bytes.subarray(20, 30), headers: { 'Content-Range': contentRange } }
}

test('F29 a 206 is where its Content-Range says, and refused where that contradicts itself', async (t) => {
  const cases: [contentRange: string | undefined, place: object | undefined][] = [
    [`bytes 20-29/${SIZE}`, { start: 20, total: SIZE }],
    ['bytes 20-29/*', { start: 20 }],
    [undefined, undefined],
    ['bytes */100', undefined],
    ['bytes 29-20/100', undefined],
    ['bytes 20-29/25', undefined],
    ['bytes 20-30/100', undefined],
    ['items 20-29/100', undefined],
    ['bytes 20-99999999999999999999/*', undefined],
  ]
  for (const [contentRange, place] of cases) {
    await t.test(String(contentRange), async () => {
      await using upstream = await withBlob()
      await using client = connectTo(upstream.url)
      upstream.on(PATH, partial(contentRange))
      const asked = client.repository().blob(digest, { start: 10, end: 20 })
      if (place === undefined) await assertFails(asked, 'UPSTREAM_INVALID', { reason: /range/ })
      else assert.partialDeepStrictEqual(await asked, place)
    })
  }
})

test('bodies that break off throw, and what came before is kept', async (t) => {
  const faults: Record<string, { script: Script; code: 'UPSTREAM_UNAVAILABLE' | 'UPSTREAM_TIMEOUT' }> = {
    'F20 stall': { script: { atByte: { k: 60_000, then: 'stall' } }, code: 'UPSTREAM_TIMEOUT' },
    'F21 reset': { script: { atByte: { k: 60_000, then: 'reset' } }, code: 'UPSTREAM_UNAVAILABLE' },
    'F22 end short of Content-Length': {
      script: { atByte: { k: 60_000, then: 'finish' } },
      code: 'UPSTREAM_UNAVAILABLE',
    },
    'F22 end short of Content-Length, announced to close': {
      script: { headers: { Connection: 'close' }, atByte: { k: 60_000, then: 'finish' } },
      code: 'UPSTREAM_UNAVAILABLE',
    },
    'F23 end short, chunked': {
      script: { contentLength: 'chunked', atByte: { k: 60_000, then: 'finish' } },
      code: 'UPSTREAM_UNAVAILABLE',
    },
  }
  for (const [what, { script, code }] of Object.entries(faults)) {
    await t.test(what, async () => {
      await using upstream = await withBlob()
      await using client = connectTo(upstream.url, { timeouts: { idle: 200 } })
      upstream.on(PATH, script)
      const blob = await client.repository().blob(digest)
      let got = 0
      const error = await failureOf(
        (async () => {
          for await (const chunk of blob!) {
            assert.deepEqual(chunk, bytes.subarray(got, got + chunk.length))
            got += chunk.length
          }
        })(),
      )
      assert.equal(error.code, code, String(error.detail['reason']))
      assert.equal(error.detail['upstream'], 'up')
      assert.equal(got, 60_000)
      await eventually(() => upstream.connections === 0)
    })
  }
})

test('F23 without a length a short body ends like a whole one: its total is unknown', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  upstream.on(PATH, { contentLength: 'none', atByte: { k: 10, then: 'finish' } })
  const blob = await client.repository().blob(digest)
  assert.equal(blob?.total, undefined)
  assert.deepEqual(await bytesOf(blob), bytes.subarray(0, 10))
})

test('F24 what follows Content-Length is not read as content, nor as the next answer', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  upstream.on(PATH, { contentLength: 10 })
  const blob = await client.repository().blob(digest)
  assert.ok((await bytesOf(blob)).length <= 10)
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
})

test('FR-12 an encoding that is only a label does no harm: the hash decides', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  for (const label of ['gzip', 'aws-chunked', 'zstd, gzip']) {
    upstream.on(PATH, { headers: { 'Content-Encoding': label }, times: 2 })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
    assert.equal((await client.repository().statBlob(digest))?.size, bytes.length)
  }
})

test('F27 SEC-36 an encoded blob is passed on as it came, never decoded, for its hash to be checked', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  upstream.on(PATH, { encoding: 'gzip' })
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), gzipSync(bytes))
})

test('a body that breaks off before anyone reads it is nobody’s crash', async () => {
  await using upstream = await withBlob()
  await using client = connectTo(upstream.url)
  const headersAreThere = Promise.withResolvers<void>()
  upstream.on(PATH, { atByte: { k: 0, then: headersAreThere.promise } })
  const blob = await client.repository().blob(digest)
  await upstream.stop()
  headersAreThere.resolve()
  await eventually(() => upstream.connections === 0)
  assert.equal((await failureOf(bytesOf(blob))).code, 'UPSTREAM_UNAVAILABLE')
})

test('leaving the loop closes the connection; so does the caller’s signal, with its own reason', async (t) => {
  await t.test('leaving', async () => {
    await using upstream = await withBlob()
    await using client = connectTo(upstream.url)
    upstream.on(PATH, { atByte: { k: 50_000, then: 'stall' } })
    for await (const chunk of (await client.repository().blob(digest))!) {
      assert.ok(chunk.length > 0)
      break
    }
    await eventually(() => upstream.connections === 0)
  })
  for (const script of [{ delayMs: Infinity }, { atByte: { k: 50_000, then: 'stall' } }] as const) {
    await t.test(`aborting ${'delayMs' in script ? 'before the headers' : 'the body'}`, async () => {
      await using upstream = await withBlob()
      await using client = connectTo(upstream.url)
      upstream.on(PATH, script)
      const abort = new AbortController()
      const reason = new Error('the client left')
      const work = client.repository().blob(digest, undefined, abort.signal).then(bytesOf)
      await eventually(() =>
        'delayMs' in script ? upstream.requests.length === 1 : client.received() === 50_000,
      )
      abort.abort(reason)
      await assert.rejects(work, (error) => error === reason)
      await eventually(() => upstream.connections === 0)
      assert.ok(!client.told.includes('down'))
    })
  }
})

test('stat is a HEAD, and where that is refused or says no length one byte tells the size', async (t) => {
  const found = { mediaType: OCTET_STREAM, digest, size: SIZE }
  await t.test('HEAD', async () => {
    await using upstream = await withBlob()
    await using client = connectTo(upstream.url)
    assert.deepEqual(await client.repository().statBlob(digest), found)
    assert.equal(upstream.count('GET', /./), 0)
  })
  const heads: Record<string, Script> = {
    400: { status: 400 },
    401: { status: 401, times: 2 },
    403: { status: 403 },
    405: { status: 405 },
    'no length (TestBlobExistsNoContentLength)': { headers: { 'Content-Length': undefined } },
  }
  for (const [what, script] of Object.entries(heads)) {
    for (const ranges of [true, false]) {
      await t.test(`${what}, ${ranges ? 'with' : 'without'} ranges`, async () => {
        await using upstream = await withBlob({ ranges })
        await using client = connectTo(upstream.url)
        upstream.on(PATH, { method: 'HEAD', ...script })
        assert.deepEqual(await client.repository().statBlob(digest), found)
        assert.equal(upstream.count('GET', PATH), 1)
        if (ranges) assert.equal(upstream.bodyBytes(PATH), 1)
        else await eventually(() => upstream.connections === 0)
      })
    }
  }
  await t.test('an empty blob has no first byte', async () => {
    await using upstream = await fakeUpstream()
    await using client = connectTo(upstream.url)
    upstream.on(/blobs/, { method: 'HEAD', status: 405 })
    upstream.on(/blobs/, { status: 416, headers: { 'Content-Range': 'bytes */0' } })
    assert.equal((await client.repository().statBlob(digest))?.size, 0)
  })
  await t.test('an outage', async () => {
    await using upstream = await withBlob()
    await using client = connectTo(upstream.url)
    upstream.on(PATH, { method: 'HEAD', status: 503 })
    await assertFails(client.repository().statBlob(digest), 'UPSTREAM_UNAVAILABLE', { status: 503 })
    assert.equal(upstream.count('GET', PATH), 0)
  })
  await t.test('nothing', async () => {
    await using upstream = await fakeUpstream()
    await using client = connectTo(upstream.url)
    assert.equal(await client.repository().statBlob(digest), undefined)
    assert.equal(await client.repository().blob(digest), undefined)
  })
})
