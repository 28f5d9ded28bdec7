import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BodyRate, PacedChunks } from '../../src/upstream/body/body-rate.ts'
import { upstreamClient } from '../../src/upstream/client.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'

const silent = { answered() {}, denied() {}, received() {}, rateLimit() {}, circuit() {}, credentials() {} }

suite('SEC-80: bandwidth from an upstream', () => {
  test('is paid for after the fact, with a quarter of a second for free after a pause', () => {
    let now = 1_000
    const rate = new BodyRate(1_000_000, () => now)
    assert.equal(rate.charge(250_000), 0)
    assert.equal(rate.charge(100_000), 100)
    assert.equal(rate.charge(100_000), 200)
    now += 200
    assert.equal(rate.charge(1_000), 1)
    now += 10_000
    assert.equal(rate.charge(300_000), 50)
  })

  test('is shared by all its bodies', async () => {
    await using upstream = await fakeUpstream()
    const blobs = [1, 2].map((seed) => blobOf(1_000_000, seed))
    for (const { bytes } of blobs) upstream.addBlob(bytes)
    const limited = upstreamClient({ name: 'limited', url: upstream.url, rate: 2_000_000, telemetry: silent })
    const began = performance.now()
    const read = async ({ digest, bytes }: (typeof blobs)[number]) => {
      const chunks: Buffer[] = []
      for await (const chunk of (await limited.repository('library/app').blob(digest))!) chunks.push(chunk)
      assert.ok(Buffer.concat(chunks).equals(bytes))
    }
    try {
      await Promise.all(blobs.map(read))
    } finally {
      await limited.close()
    }
    // 2 MB at 2 MB/s, less what comes at once.
    assert.ok(performance.now() - began >= 740, `${performance.now() - began} ms`)
  })

  test('who leaves does not wait for it', async () => {
    const leave = new AbortController()
    const source: AsyncIterator<Buffer, undefined> = {
      next: async () => ({ done: false, value: Buffer.alloc(10) }),
    }
    const chunks = new PacedChunks(source, { charge: () => 60_000 }, leave.signal)
    const left = assert.rejects(chunks.next(), /left/)
    leave.abort(new Error('left'))
    await left
  })
})
