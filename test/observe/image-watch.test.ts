/** What one image may take of the watch over images on their way into the store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imageWatch } from '../../src/observe/image-watch.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { eventually } from '../support/fixtures.ts'

const repository = { upstream: 'docker.io', name: 'library/a' }
const digest = (number: number) => `sha256:${number.toString(16).padStart(64, '0')}` as Digest
const digests = (count: number) => Array.from({ length: count }, (_, i) => digest(i + 1))

test('SEC-73: a thousand parts are looked for in turns, and more are not an image to wait for', async () => {
  const emitted: string[] = []
  let looks = 0
  const emit = (type: string) => void emitted.push(type)
  const has = async () => {
    const until = performance.now() + 0.1
    while (performance.now() < until);
    looks += 1
    return true
  }
  const watch = imageWatch({ emit, has })
  let turns = 0
  const count = () => {
    turns += 1
    if (emitted.length === 0) setImmediate(count)
  }
  setImmediate(count)
  watch.telemetry.stored(repository, digest(0), { parts: digests(1_000), isIndex: false })
  await eventually(() => emitted.length > 0)
  assert.deepEqual([emitted, looks], [['image.stored'], 1_000])
  assert.ok(turns >= 10, `the event loop turned ${turns} times`)

  watch.telemetry.stored(repository, digest(0), { parts: digests(1_001), isIndex: false })
  assert.equal(looks, 1_000)
})

test('parts that other replicas have stored are asked for, later and later, until the image is whole', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let elapsed = 0
  t.mock.method(performance, 'now', () => elapsed)
  const emitted: string[] = []
  const asked: (readonly Digest[])[] = []
  const elsewhere = new Set<Digest>()
  using watch = imageWatch({
    emit: (type) => void emitted.push(type),
    has: async () => false,
    async elsewhere(_repository, parts) {
      asked.push(parts)
      return parts.filter((part) => elsewhere.has(part))
    },
  })
  const pass = async (seconds: number) => {
    for (let at = 0; at < seconds; at += 2) {
      elapsed += 2_000
      t.mock.timers.tick(2_000)
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    }
  }
  watch.telemetry.stored(repository, digest(0), { parts: digests(3), isIndex: false })
  watch.stored(digest(1))
  elsewhere.add(digest(2))
  await pass(4)
  assert.deepEqual(asked, [[digest(2), digest(3)]])
  await pass(60)
  assert.deepEqual(asked.slice(1), [[digest(3)], [digest(3)], [digest(3)]])
  assert.deepEqual(emitted, [])
  elsewhere.add(digest(3))
  await pass(70)
  assert.deepEqual(emitted, ['image.stored'])
  const before = asked.length
  await pass(200)
  assert.equal(asked.length, before)
})
