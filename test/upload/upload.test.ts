import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { blobOf } from '../support/fixtures.ts'
import { type Fault, fakeDestination, type RequestStep } from '../support/fake-destination.ts'
import { assertFails } from '../upstream/setup.ts'
import { uploadRig } from './setup.ts'

const KiB = 1024
const MiB = 1024 * KiB

suite('an upload to a destination that', () => {
  test('does everything right sends a small blob by two requests, and a long one in chunks', async () => {
    await using there = await fakeDestination()
    await using rig = uploadRig(there.url)
    const small = blobOf(20 * KiB, 1)
    const long = blobOf(600 * KiB, 2)
    assert.equal(await rig.upload(small), 'sent')
    assert.deepEqual(
      there.requests.map(({ step }) => step),
      ['begin', 'finish'],
    )
    assert.equal(await rig.upload(long), 'sent')
    assert.deepEqual(
      there.requests.slice(2).map(({ step }) => step),
      ['check', 'begin', 'append', 'append', 'append', 'finish'],
    )
    for (const { digest, bytes } of [small, long])
      assert.ok(there.blobs.get('cache/app')?.get(digest)?.equals(bytes))
    assert.equal(there.sessions.size, 0)
  })

  test('has the blob is sent nothing', async () => {
    await using there = await fakeDestination()
    await using rig = uploadRig(there.url)
    const blob = blobOf(2 * MiB)
    there.putBlob('cache/app', blob.bytes)
    assert.equal(await rig.upload(blob), 'exists')
    assert.deepEqual(rig.opened, [])
    assert.equal(await rig.upload(blobOf(0, 3)), 'sent')
  })

  test('has it in another repository mounts it from there', async () => {
    await using there = await fakeDestination()
    await using rig = uploadRig(there.url)
    const blob = blobOf(2 * MiB)
    assert.equal(await rig.upload(blob, 'cache/one'), 'sent')
    assert.equal(await rig.upload(blob, 'cache/two'), 'mounted')
    assert.equal(there.received, blob.bytes.length)
    assert.ok(there.blobs.get('cache/two')?.get(blob.digest)?.equals(blob.bytes))
  })

  for (const mount of ['session', 'refuses', 'denies'] as const) {
    test(`answers mounts with ${mount}`, async () => {
      await using there = await fakeDestination({ mount })
      await using rig = uploadRig(there.url)
      const blob = blobOf(2 * MiB)
      await rig.upload(blob, 'cache/one')
      assert.equal(await rig.upload(blob, 'cache/two'), 'sent')
      assert.equal(there.count('mount'), 1)
      // The session of an unsuccessful mount is used, not left behind.
      assert.equal(there.count('begin'), mount === 'session' ? 1 : 2)
      assert.equal(there.sessions.size, 0)
      // Whether the source has it is not known to those who may not read it.
      const known = (await rig.memory.of(rig.destination.name, blob.digest)).map(
        ({ repository }) => repository,
      )
      assert.deepEqual(known, mount === 'denies' ? ['cache/two', 'cache/one'] : ['cache/two'])
    })
  }

  const steps: readonly (readonly [RequestStep, Fault])[] = [
    ['check', 'before'],
    ['mount', 'before'],
    ['begin', 'before'],
    ['begin', 'after'],
    ['append', 'before'],
    ['append', 'midway'],
    ['append', 'after'],
    ['append', 'lose'],
    ['append', 500],
    ['append', 'forget bytes'],
    ['finish', 'before'],
    ['finish', 'after'],
    ['finish', 'lose'],
    ['finish', 503],
    ['status', 'before'],
  ]
  for (const [step, fault] of steps) {
    test(`breaks off at ${step}, ${JSON.stringify(fault)}, gets the whole blob all the same`, async () => {
      let isBroken = false
      await using there = await fakeDestination({
        mount: 'session',
        fault(request, count) {
          // A status is only asked for when something else went wrong.
          if (step === 'status' && request.step === 'append' && count === 2) return 'midway'
          if (request.step !== step || isBroken || (step === 'append' && count < 2)) return undefined
          isBroken = true
          return fault
        },
      })
      await using rig = uploadRig(there.url)
      const blob = blobOf(900 * KiB)
      if (step === 'mount')
        await rig.memory.add(rig.destination.name, blob.digest, { repository: 'other/app', seal: '' })
      await rig.upload(blob)
      assert.ok(isBroken, 'nothing went wrong')
      assert.ok(there.blobs.get('cache/app')?.get(blob.digest)?.equals(blob.bytes))
      assert.equal(there.sessions.size, step === 'begin' && fault === 'after' ? 1 : 0)
      // It goes on where it was: no chunk is sent for nothing but the one that broke off.
      const allowed = fault === 'lose' || fault === 'forget bytes' ? 2 : 1.6
      assert.ok(there.received <= allowed * blob.bytes.length, `${there.received}`)
    })
  }

  test('limits us is waited for as long as it says, by all uploads', async () => {
    const limit = { status: 429, headers: { 'retry-after': '1' } }
    await using there = await fakeDestination({
      fault: ({ step }, count) => (step === 'begin' && count === 1 ? limit : undefined),
    })
    await using rig = uploadRig(there.url)
    const began = performance.now()
    await rig.upload(blobOf(20 * KiB, 1))
    await rig.upload(blobOf(20 * KiB, 2))
    assert.ok(performance.now() - began >= 990)
    assert.equal(there.count('begin'), 3)
  })

  test('limits us for hours is given up', async () => {
    await using there = await fakeDestination({
      fault: () => ({ status: 429, headers: { 'retry-after': '36000' } }),
    })
    await using rig = uploadRig(there.url)
    await assertFails(rig.upload(blobOf(20 * KiB)), 'UPSTREAM_LIMITED', { upstream: rig.destination.name })
    assert.equal(there.requests.length, 1)
  })

  test('demands longer chunks gets them', async () => {
    await using there = await fakeDestination({ leastChunk: 512 * KiB })
    await using rig = uploadRig(there.url)
    await rig.upload(blobOf(1200 * KiB))
    const lengths = there.requests.filter(({ step }) => step === 'append').map(({ received }) => received)
    assert.deepEqual(lengths, [512 * KiB, 512 * KiB, 176 * KiB])
  })

  test('takes shorter requests only gets those, and other uploads do not ask again', async () => {
    await using there = await fakeDestination({ mostChunk: 70 * KiB })
    await using rig = uploadRig(there.url, { policy: { chunk: 4 * MiB } })
    const [one, two] = [blobOf(1 * MiB, 1), blobOf(1 * MiB, 2)]
    await rig.upload(one)
    assert.equal(there.requests.filter(({ status }) => status === 413).length, 2)
    await rig.upload(two)
    assert.equal(there.requests.filter(({ status }) => status === 413).length, 2)
    for (const { digest, bytes } of [one, two])
      assert.ok(there.blobs.get('cache/app')?.get(digest)?.equals(bytes))
  })

  test('takes whole blobs only gets those, and is not asked for chunks again', async () => {
    await using there = await fakeDestination({ noChunks: true })
    await using rig = uploadRig(there.url)
    for (const blob of [blobOf(600 * KiB, 1), blobOf(700 * KiB, 2)]) {
      await rig.upload(blob)
      assert.ok(there.blobs.get('cache/app')?.get(blob.digest)?.equals(blob.bytes))
    }
    assert.equal(there.count('append'), 1)
    assert.equal(there.sessions.size, 0)
  })

  test('takes neither chunks nor whole blobs is given up', async () => {
    await using there = await fakeDestination({ noChunks: true, mostChunk: 300 * KiB })
    await using rig = uploadRig(there.url)
    const detail = { upstream: rig.destination.name, status: 413 }
    await assertFails(rig.upload(blobOf(600 * KiB)), 'UPSTREAM_INVALID', detail)
  })

  test('loses every session is given up after five attempts', async () => {
    await using there = await fakeDestination({
      fault: ({ step }) => (step === 'append' ? 'lose' : undefined),
    })
    await using rig = uploadRig(there.url)
    await assertFails(rig.upload(blobOf(600 * KiB)), 'UPSTREAM_UNAVAILABLE', {
      upstream: rig.destination.name,
    })
    assert.equal(there.count('append'), 5)
  })

  test('denies us is not asked again', async () => {
    await using there = await fakeDestination({ fault: ({ step }) => (step === 'begin' ? 403 : undefined) })
    await using rig = uploadRig(there.url)
    await assertFails(rig.upload(blobOf(20 * KiB)), 'UPSTREAM_DENIED', { upstream: rig.destination.name })
    assert.equal(there.count('begin'), 1)
  })
})
