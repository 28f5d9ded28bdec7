import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRegistryError } from '../../src/oci/errors.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'
import { openReader, digestRead, readBlob, readFrom, rig } from '../support/rig.ts'

const MiB = 1024 * 1024
const upstreamOutage = (error: unknown) =>
  isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_INVALID')

suite('one download for all', () => {
  test('F40 any number of readers at once cost one GET, and the next ones none', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(3 * MiB)
    upstream.addBlob(bytes)
    const repository = proxy.repository()

    const read = await Promise.all(Array.from({ length: 50 }, () => digestRead(repository, digest)))
    assert.deepEqual(new Set(read), new Set([digest]))
    assert.equal(await digestRead(repository, digest), digest)
    assert.equal(upstream.count('GET', /blobs/), 1)
    assert.equal(upstream.count('HEAD', /blobs/), 0)
    assert.equal(upstream.bodyBytes(/blobs/), bytes.length)
    assert.deepEqual(proxy.downloads.list(), [])
  })

  test('a reader that comes late begins at byte 0, or at its range', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    const half = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: MiB, then: half.promise } })
    const repository = proxy.repository()

    const first = digestRead(repository, digest)
    await eventually(() => proxy.downloads.list()[0]?.filled === MiB)
    const late = digestRead(repository, digest)
    const range = readBlob(repository, digest, { start: 1_000, end: 2_000 })
    assert.deepEqual(await range, bytes.subarray(1_000, 2_000))
    assert.equal(proxy.downloads.list()[0]?.followers, 2)
    half.resolve()
    assert.deepEqual(await Promise.all([first, late]), [digest, digest])
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  test('a reader that waits for what comes next is not far ahead while a slow disk holds up the connection', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 64 * MiB })
    const store = memoryStore()
    const slow = Promise.withResolvers<number>()
    const ingest: typeof store.blobs.ingest = async (expected) => {
      const into = await store.blobs.ingest(expected)
      let isSlow = false
      const write: typeof into.write = async (...written) => {
        const bytes = await into.write(...written)
        // They can be read; a checkpoint is still being written.
        if (!isSlow && into.filled.size > 16 * MiB) {
          isSlow = true
          slow.resolve(into.filled.size)
          await sleep(1_000)
        }
        return bytes
      }
      return Object.create(into, { write: { value: write } }) as typeof into
    }
    await using proxy = await rig({
      upstream,
      store: { ...store, blobs: { ...store.blobs, ingest } },
      policy: { segmentAbove: Infinity },
      timeouts: { idle: 30_000 },
    })
    const { bytes, digest } = blobOf(96 * MiB)
    upstream.addBlob(bytes)
    const first = digestRead(proxy.repository(), digest)
    const written = await slow.promise
    await using second = await openReader(proxy.repository(), digest)
    const [from, to] = [written - MiB, written + MiB]
    assert.deepEqual(await readFrom(second, from, to), bytes.subarray(from, to))
    assert.equal(await first, digest)
    assert.deepEqual(
      upstream.find('GET', /blobs/).map(({ headers }) => headers['range']),
      [undefined],
    )
  })

  test('the last 32 KiB come only when all of it is verified', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: MiB - 1, then: rest.promise } })

    await using reader = await openReader(proxy.repository(), digest)
    const withheld = MiB - 32 * 1024
    assert.deepEqual(await readFrom(reader, 0, withheld), bytes.subarray(0, withheld))
    const tail = readFrom(reader, withheld, MiB)
    await eventually(() => proxy.downloads.list()[0]?.filled === MiB - 1)
    assert.equal(await Promise.race([tail.then(() => 'read'), Promise.resolve('withheld')]), 'withheld')
    rest.resolve()
    assert.deepEqual(await tail, bytes.subarray(withheld))
  })

  test('an empty blob', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const digest = upstream.addBlob(Buffer.alloc(0))
    assert.equal(await digestRead(proxy.repository(), digest), digest)
    assert.equal(await digestRead(proxy.repository(), digest), digest)
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  test('a blob that does not exist is undefined for all who ask, and is asked for again later', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(1000)
    const repository = proxy.repository()
    assert.deepEqual(await Promise.all([readBlob(repository, digest), readBlob(repository, digest)]), [
      undefined,
      undefined,
    ])
    upstream.addBlob(bytes)
    assert.deepEqual(await readBlob(repository, digest), bytes)
  })
})

suite('readers come and go', () => {
  test('F42 a reader that leaves at 10 % stops nobody and nothing', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: MiB, then: rest.promise } })
    const repository = proxy.repository()

    const leaving = await openReader(repository, digest)
    await readFrom(leaving, 0, 0.4 * MiB)
    const staying = digestRead(repository, digest)
    await leaving[Symbol.asyncDispose]()
    rest.resolve()
    assert.equal(await staying, digest)
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  test('F42 the only reader leaves at 10 %: the blob is cached all the same', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: MiB, then: rest.promise } })
    const leaving = await openReader(proxy.repository(), digest)
    await readFrom(leaving, 0, 0.2 * MiB)
    await leaving[Symbol.asyncDispose]()
    rest.resolve()
    await eventually(async () => (await proxy.store.blobs.stat(digest)) !== undefined)
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  test('F43 when all leave early a large transfer is cancelled, never joined, and continued from where it was', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, policy: { finishBelow: MiB, finishFrom: 0.5 } })
    const { bytes, digest } = blobOf(8 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: 2 * MiB, then: 'stall' } })
    const repository = proxy.repository()

    const leaving = await openReader(repository, digest)
    await readFrom(leaving, 0, MiB)
    await eventually(() => proxy.downloads.list()[0]?.filled === 2 * MiB)
    const disposing = leaving[Symbol.asyncDispose]()
    assert.equal(await digestRead(repository, digest), digest)
    await disposing

    assert.equal(upstream.count('GET', /blobs/), 2)
    assert.equal(upstream.find('GET', /blobs/)[1]?.headers['range'], `bytes=${2 * MiB}-`)
    await eventually(() => upstream.connections <= 1)
  })

  test('a reader that is disposed while it waits for bytes is told so', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, timeouts: { idle: 10_000 } })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: 1000, then: 'stall' } })
    const reader = await openReader(proxy.repository(), digest)
    await readFrom(reader, 0, 1000)
    const waiting = assert.rejects(readFrom(reader, 1000, 2000), { name: 'AbortError' })
    await reader[Symbol.asyncDispose]()
    await waiting
  })

  test('whoever stops waiting for the answer leaves the others waiting', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(1000)
    upstream.addBlob(bytes)
    const answer = Promise.withResolvers<void>()
    upstream.on(/blobs/, { after: answer.promise })
    const impatient = new AbortController()
    const left = assert.rejects(readBlob(proxy.repository(), digest, { signal: impatient.signal }), /enough/)
    const patient = digestRead(proxy.repository(), digest)
    impatient.abort(new Error('enough'))
    await left
    answer.resolve()
    assert.equal(await patient, digest)
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  test('F44 a slow reader holds up neither the transfer nor a fast one', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    const released = Promise.withResolvers<void>()
    const repository = proxy.repository()
    const slow = digestRead(repository, digest, { pause: () => released.promise })
    assert.equal(await digestRead(repository, digest), digest)
    await eventually(async () => (await proxy.store.blobs.stat(digest)) !== undefined)
    released.resolve()
    assert.equal(await slow, digest)
  })
})

suite('an upstream that breaks off', () => {
  for (const [row, then] of [
    ['F20', 'stall'],
    ['F21', 'reset'],
    ['F22', 'finish'],
  ] as const) {
    test(`${row} ${then} mid-body: continued from that byte, unnoticed by readers`, async () => {
      await using upstream = await fakeUpstream()
      await using proxy = await rig({ upstream })
      const { bytes, digest } = blobOf(2 * MiB)
      upstream.addBlob(bytes)
      upstream.on(/blobs/, { atByte: { k: 1_500_000, then } })

      const read = await Promise.all([
        digestRead(proxy.repository(), digest),
        digestRead(proxy.repository(), digest),
      ])
      assert.deepEqual(read, [digest, digest])
      assert.equal(proxy.resumes, 1)
      const [, second] = upstream.find('GET', /blobs/)
      assert.match(second?.headers['range'] ?? '', /^bytes=\d+-$/)
      // A reset also discards bytes that were sent and not yet read.
      if (then !== 'reset') assert.ok(upstream.bodyBytes(/blobs/) <= 1.05 * bytes.length)
      assert.ok(await proxy.store.blobs.stat(digest))
    })
  }

  test('three attempts without a byte of progress, and every reader is told', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: 500_000, then: 'reset' } })
    upstream.on(/blobs/, { status: 503, times: 10 })
    await Promise.all(
      [1, 2, 3].map(() => assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)),
    )
    assert.equal(upstream.count('GET', /blobs/), 4)
    assert.equal(await proxy.store.blobs.stat(digest), undefined)
  })

  test('a byte with each attempt is no progress', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: 1, then: 'finish' }, times: Infinity })
    await assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)
    assert.equal(upstream.count('GET', /blobs/), 4)
    upstream.forgetScripts()
    assert.equal(await digestRead(proxy.repository(), digest), digest)
    assert.equal(upstream.requests.at(-1)?.headers['range'], 'bytes=4-')
  })

  test('F51 after a failure with many waiting the next one starts afresh and succeeds', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { status: 500, times: 2 })
    const waiting = Array.from({ length: 100 }, () =>
      assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage),
    )
    await Promise.all(waiting)
    assert.equal(upstream.count('GET', /blobs/), 2)
    assert.equal(await digestRead(proxy.repository(), digest), digest)
  })

  test('F28 SEC-38 a resumption that is answered 200 is never appended', async () => {
    await using upstream = await fakeUpstream({ ranges: false })
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: MiB, then: 'reset' } })
    assert.equal(await digestRead(proxy.repository(), digest), digest)
  })

  test('F29 a resumption with another Content-Range is refused, and begun again from 0', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: MiB, then: 'reset' } })
    const wrong = {
      'Content-Range': `bytes 5-${bytes.length - 1}/${bytes.length}`,
      'Content-Length': undefined,
    }
    upstream.on(/blobs/, { status: 206, headers: wrong, body: bytes.subarray(5) })
    assert.equal(await digestRead(proxy.repository(), digest), digest)
    assert.equal(upstream.find('GET', /blobs/).at(-1)?.headers['range'], undefined)
  })

  test('F29 a range that nobody asked for is refused before any of it is passed on', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    const other = {
      status: 206,
      headers: { 'Content-Range': `bytes 1-${bytes.length - 1}/${bytes.length}` },
      body: bytes.subarray(1),
    }
    upstream.on(/blobs/, other)
    const read = await readBlob(proxy.repository(), digest, { start: 1000, end: 2000 })
    assert.deepEqual(read, bytes.subarray(1000, 2000))
  })

  test('F30 a resumption that is answered 416 is begun again from 0', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: MiB, then: 'reset' } })
    upstream.on(/blobs/, { status: 416 })
    assert.equal(await digestRead(proxy.repository(), digest), digest)
  })

  test('a resumption with another ETag is of other bytes: begun again from 0', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: MiB, then: 'reset' } })
    upstream.on(/blobs/, { headers: { ETag: '"other"' } })
    assert.equal(await digestRead(proxy.repository(), digest), digest)
    assert.equal(upstream.find('GET', /blobs/).at(-1)?.headers['range'], undefined)
  })

  test('an upstream that is killed and restarted is waited for', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, policy: { retryDelay: 200 } })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: 2.5 * MiB, then: 'stall' } })
    const reading = digestRead(proxy.repository(), digest)
    await eventually(() => proxy.downloads.list()[0]?.filled === 2.5 * MiB)
    await upstream.stop()
    await eventually(() => proxy.resumes > 0)
    await upstream.start()
    assert.equal(await reading, digest)
    assert.ok(upstream.bodyBytes(/blobs/) <= 1.05 * bytes.length)
  })
})

suite('an upstream that lies', () => {
  test('F25 a flipped byte: no reader gets a complete body, nothing is committed, the next pull works', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { flipByte: 100 })
    const delivered: number[] = []
    await using reader = await openReader(proxy.repository(), digest)
    const buffer = Buffer.alloc(MiB)
    await assert.rejects(async () => {
      for (let at = 0; ; at += delivered.at(-1)!) delivered.push(await reader.read(buffer.subarray(at), at))
    }, upstreamOutage)
    assert.ok(delivered.reduce((a, b) => a + b, 0) <= MiB - 32 * 1024)
    assert.equal(await proxy.store.blobs.stat(digest), undefined)
    assert.equal(await digestRead(proxy.repository(), digest), digest)
  })

  test('F25 two mismatches in a row: upstream is left alone for a while', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { flipByte: 100, times: 2 })
    for (let i = 0; i < 5; i++) await assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)
    assert.equal(upstream.count('GET', /blobs/), 2)
  })

  test('F24 a body longer than the blob is', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { body: Buffer.concat([bytes, bytes]), contentLength: 'chunked' })
    await assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)
    assert.equal(await proxy.store.blobs.stat(digest), undefined)
  })

  test('F26 an HTML page instead of the blob', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { headers: { 'Content-Type': 'text/html' }, body: '<html>Log in</html>' })
    await assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)
    assert.equal(await digestRead(proxy.repository(), digest), digest)
  })

  test('F27 a compressed body is refused', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { encoding: 'gzip' })
    await assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)
    assert.equal(await proxy.store.blobs.stat(digest), undefined)
  })

  test('F28 F29 a body that cannot be appended is closed, not left unread on a connection that lives on (I3)', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(6 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: MiB, then: 'reset' } })
    upstream.on(/blobs/, { status: 200, headers: { 'Content-Range': undefined }, body: bytes })
    assert.equal(await digestRead(proxy.repository(), digest, { piece: MiB }), digest)
    assert.equal(upstream.count('GET', /blobs/), 3)
    await eventually(() => upstream.connections <= 1)
  })

  test('F23 a body without a length: readers wait until it is known to be whole', async () => {
    for (const contentLength of ['chunked', 'none'] as const) {
      await using upstream = await fakeUpstream()
      await using proxy = await rig({ upstream })
      const { bytes, digest } = blobOf(MiB)
      upstream.addBlob(bytes)
      upstream.on(/blobs/, { contentLength })
      assert.equal(await digestRead(proxy.repository(), digest), digest)
    }
  })

  test('F23 a body without a length that ends early is a mismatch', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { contentLength: 'none', atByte: { k: 1000, then: 'finish' } })
    await assert.rejects(readBlob(proxy.repository(), digest), upstreamOutage)
    assert.equal(await proxy.store.blobs.stat(digest), undefined)
  })
})

suite('ranges of what is not there yet', () => {
  test('F47 a range far ahead is fetched first when it would be long in coming', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, timeouts: { idle: 10_000 } })
    const { bytes, digest } = blobOf(16 * MiB)
    upstream.addBlob(bytes)
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: MiB, then: rest.promise } })
    const repository = proxy.repository()
    const whole = digestRead(repository, digest)
    const ahead = await readBlob(repository, digest, { start: 12 * MiB, end: 12 * MiB + 1000 })
    assert.deepEqual(ahead, bytes.subarray(12 * MiB, 12 * MiB + 1000))
    // The body that stalls goes on beyond 12 MiB. It is left while nothing of it is under way.
    await eventually(() => upstream.count('GET', /blobs/) === 3)
    rest.resolve()
    assert.equal(await whole, digest)
    assert.ok(upstream.bodyBytes(/blobs/) <= 1.1 * bytes.length)
  })

  test('F47 where upstream has no ranges they wait', async () => {
    await using upstream = await fakeUpstream({ ranges: false })
    await using proxy = await rig({ upstream, timeouts: { idle: 10_000 } })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: MiB, then: rest.promise } })
    const ahead = readBlob(proxy.repository(), digest, { start: 3 * MiB, end: 3 * MiB + 1000 })
    await eventually(() => upstream.count('GET', /blobs/) === 2)
    rest.resolve()
    assert.deepEqual(await ahead, bytes.subarray(3 * MiB, 3 * MiB + 1000))
    // The body that was there goes on to its end: it is not asked for once more.
    assert.equal(await digestRead(proxy.repository(), digest), digest)
    assert.equal(upstream.count('GET', /blobs/), 2)
  })
})

suite('SEC-80: places are shared', () => {
  test('a byte now and then holds a place only until somebody waits for it', async (t) => {
    await using upstream = await fakeUpstream()
    const queues = () => ({ places: 1, queueLength: 10, queueTimeout: 60_000 })
    await using proxy = await rig({ upstream, queues, timeouts: { idle: 60_000 } })
    const [slow, other] = [blobOf(2 * MiB, 1), blobOf(1_000, 2)]
    upstream.addBlob(slow.bytes)
    upstream.addBlob(other.bytes)
    upstream.on(new RegExp(slow.digest), { atByte: { k: MiB, then: 'stall' } })
    t.mock.timers.enable({ apis: ['setInterval'] })
    const repository = proxy.repository()
    const held = assert.rejects(digestRead(repository, slow.digest), upstreamOutage)
    await eventually(() => proxy.downloads.list()[0]?.filled === MiB)
    for (let second = 0; second < 40; second += 1) t.mock.timers.tick(1_000)
    assert.equal(proxy.downloads.list()[0]?.followers, 1)

    const waiting = digestRead(repository, other.digest)
    await eventually(() => proxy.downloads.list().length === 2)
    t.mock.timers.tick(1_000)
    assert.equal(await waiting, other.digest)
    await held
    t.mock.timers.reset()
    assert.equal(await digestRead(repository, slow.digest), slow.digest)
    assert.equal(upstream.find('GET', new RegExp(slow.digest))[1]?.headers['range'], `bytes=${MiB}-`)
  })

  test('a client that wants a hundred blobs does not keep another from its one', async () => {
    await using upstream = await fakeUpstream()
    const queues = () => ({ places: 2, queueLength: 256, queueTimeout: 60_000 })
    await using proxy = await rig({ upstream, queues })
    const blobs = Array.from({ length: 100 }, (_, number) => blobOf(1_000, number + 1))
    const wanted = blobOf(2_000, 1_000)
    for (const { bytes } of [...blobs, wanted]) upstream.addBlob(bytes)
    const repository = proxy.repository()
    let done = 0
    const all = blobs.map(({ digest }) =>
      digestRead(repository, digest, { client: 'greedy' }).then(() => (done += 1)),
    )
    await digestRead(repository, wanted.digest, { client: 'modest' })
    assert.ok(done < 20, `${done} of another client's came first`)
    await Promise.all(all)
  })
})

suite('several connections', () => {
  test('a blob that would take long is fetched in segments, every byte once, and hashed in order', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 8 * MiB })
    await using proxy = await rig({ upstream, policy: { segmentAbove: 8 * MiB } })
    const { bytes, digest } = blobOf(24 * MiB)
    upstream.addBlob(bytes)
    assert.equal(await digestRead(proxy.repository(), digest, { piece: MiB }), digest)
    assert.ok(upstream.count('GET', /blobs/) > 2)
    assert.ok(
      upstream.bodyBytes(/blobs/) <= 1.1 * bytes.length,
      `${upstream.bodyBytes(/blobs/) / bytes.length}`,
    )
  })

  test('an upstream that refuses the second connection gets one', async () => {
    // Slow enough for a busy machine to open a second connection.
    await using upstream = await fakeUpstream({ bytesPerSecond: 3 * MiB })
    await using proxy = await rig({ upstream, policy: { segmentAbove: 2 * MiB } })
    const { bytes, digest } = blobOf(8 * MiB)
    upstream.addBlob(bytes)
    const first = Promise.withResolvers<void>()
    upstream.on(/blobs/, { after: first.promise })
    upstream.on(/blobs/, { status: 429 })
    first.resolve()
    assert.equal(await digestRead(proxy.repository(), digest, { piece: MiB }), digest)
    assert.ok(upstream.find('GET', /blobs/).length >= 2)
  })
})
