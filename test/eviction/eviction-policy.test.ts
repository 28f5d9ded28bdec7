import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import {
  exceededLimit,
  excessBytes,
  excessInodes,
  type Need,
  priority,
  victims,
} from '../../src/eviction/eviction-policy.ts'

const now = 1_800_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const KiB = 1024
const MiB = 1024 * KiB
const never = () => false
const item = (name: string, size: number, idle: number, upstreams: readonly string[] = []) => ({
  digest: digestOf(Buffer.from(name)),
  size,
  lastUsed: now - idle,
  upstreams,
  name,
})
const names = (
  all: readonly ReturnType<typeof item>[],
  need: number | Need,
  at: number,
  isNearlyExhausted: (upstream: string) => boolean,
) => {
  const full = typeof need === 'number' ? { bytes: need, urgent: need } : need
  return victims(all, full, at, isNearlyExhausted).map((content) => (content as ReturnType<typeof item>).name)
}
const usageOf = (
  bytes: number,
  freeBytes: number,
  { indexBytes = 0, partialBytes = 0, totalInodes = Infinity, freeInodes = Infinity } = {},
) => ({
  ...{ objects: 9, bytes, indexBytes, partialBytes, runningBytes: 0 },
  disk: { totalBytes: 9_999, freeBytes, totalInodes, freeInodes },
})

test('how much has to go: what is reserved counts as if it were there', () => {
  const policy = { maxSize: 1000, minFree: 100 }
  type Row = [
    bytes: number,
    freeBytes: number,
    reserved: [bytes: number, unwritten: number],
    room: number,
    excess: number,
  ]
  const table: Row[] = [
    [1000, 5000, [0, 0], 0, 0],
    [1001, 5000, [0, 0], 0, 1 + 50],
    [900, 5000, [100, 100], 0, 0],
    [900, 5000, [100, 100], 1, 1 + 50],
    [0, 100, [0, 0], 0, 0],
    [0, 99, [0, 0], 0, 1 + 5],
    [0, 300, [200, 200], 0, 0],
    [0, 300, [200, 200], 1, 1 + 5],
    [0, 200, [200, 100], 0, 0],
    [990, 90, [0, 0], 20, 10 + 50],
  ]
  for (const [bytes, freeBytes, [reserved, unwritten], room, excess] of table) {
    const given = JSON.stringify({ bytes, freeBytes, reserved, unwritten, room })
    assert.equal(
      excessBytes(usageOf(bytes, freeBytes), { bytes: reserved, unwritten }, policy, room),
      excess,
      given,
    )
  }
})

test('what could not fit if all that is committed went is not evicted for', () => {
  const policy = { maxSize: 1000, minFree: 100 }
  const table: [
    freeBytes: number,
    reserved: [bytes: number, unwritten: number],
    room: number,
    fits: boolean,
  ][] = [
    [5000, [0, 0], 1000, true],
    [5000, [0, 0], 1001, false],
    [5000, [400, 0], 601, false],
    [200, [0, 0], 600, true],
    [200, [0, 0], 601, false],
    [200, [300, 50], 551, false],
  ]
  for (const [freeBytes, [bytes, unwritten], room, fits] of table) {
    const limit = exceededLimit(usageOf(500, freeBytes), { bytes, unwritten }, policy, room)
    assert.equal(limit === undefined, fits, `${freeBytes} ${bytes} ${room} ${limit}`)
  }
})

test('minFree is named only where content would fit without it', () => {
  const nothing = { bytes: 0, unwritten: 0 }
  const limitOf = (minFree: number, room: number) =>
    exceededLimit(usageOf(500, 200), nothing, { maxSize: 10_000, minFree }, room)
  assert.equal(limitOf(100, 600), undefined)
  assert.equal(limitOf(100, 601), 'minFree')
  assert.equal(limitOf(100, 700), 'minFree')
  assert.equal(limitOf(100, 701), 'disk')
  assert.equal(limitOf(0, 700), undefined)
  assert.equal(limitOf(0, 701), 'disk')
})

test('priority is the age over what each byte gained costs to fetch again', () => {
  const table: [size: number, idle: number, isNearlyExhausted: boolean, priority: number][] = [
    [64 * KiB, HOUR, false, HOUR / 2],
    [64 * KiB, HOUR, true, HOUR / 11],
    [2 * KiB, 33 * HOUR, false, HOUR],
    [0, HOUR, false, 0],
    [MiB, -HOUR, false, 0],
  ]
  for (const [size, idle, isNearlyExhausted, expected] of table) {
    assert.ok(
      Math.abs(priority({ size, lastUsed: now - idle }, now, isNearlyExhausted) - expected) < 1,
      `${size} ${idle}`,
    )
  }
})

test('of large content the least recently used goes, as much as is needed', () => {
  const all = [item('old', 8 * MiB, 9 * HOUR), item('older', 9 * MiB, 10 * HOUR), item('new', 9 * MiB, HOUR)]
  assert.deepEqual(names(all, 1, now, never), ['older'])
  assert.deepEqual(names(all, 9 * MiB, now, never), ['older'])
  assert.deepEqual(names(all, 9 * MiB + 1, now, never), ['older', 'old'])
  assert.deepEqual(names(all, 99 * MiB, now, never), ['older', 'old', 'new'])
  assert.deepEqual(names(all, 0, now, never), [])
})

test('a small manifest stays longer than a large layer, and not for ever', () => {
  const layer = item('layer', 50 * MiB, HOUR)
  assert.deepEqual(names([item('manifest', 2 * KiB, 32 * HOUR), layer], 1, now, never), ['layer'])
  assert.deepEqual(names([item('manifest', 2 * KiB, 34 * HOUR), layer], 1, now, never), ['manifest'])
})

test('what comes from an upstream that limits us stays longer', () => {
  const isNearlyExhausted = (upstream: string) => upstream === 'docker.io'
  const all = [
    item('hub', MiB, 2 * HOUR, ['ghcr.io', 'docker.io']),
    item('quay', MiB, 1.5 * HOUR, ['quay.io']),
  ]
  assert.deepEqual(names(all, 1, now, never), ['hub'])
  assert.deepEqual(names(all, 1, now, isNearlyExhausted), ['quay'])
})

test('F71 what was just used goes when there is nothing else, whatever it is', () => {
  const blob = item('blob of an image that was just resolved', 500 * MiB, 9 * MINUTE)
  const other = item('config', KiB, 11 * MINUTE)
  assert.deepEqual(names([blob, other], 1, now, never), ['config'])
  assert.deepEqual(names([blob, other], MiB, now, never), ['config', blob.name])
})

test('F82 what was used in the future is as if used now', () => {
  assert.deepEqual(names([item('future', MiB, -HOUR), item('old', MiB, HOUR)], 1, now, never), ['old'])
})

test('SEC-73 FR-32: index and unfinished downloads count in the quota', () => {
  const policy = { maxSize: 1000, minFree: 100 }
  const usage = usageOf(500, 5000, { indexBytes: 300, partialBytes: 150 })
  const nothing = { bytes: 0, unwritten: 0 }
  assert.equal(excessBytes(usage, nothing, policy, 50), 0)
  assert.equal(excessBytes(usage, nothing, policy, 51), 51)
  assert.equal(excessBytes(usage, nothing, policy, 51, 0), 1)
  assert.equal(exceededLimit(usage, nothing, policy, 700), undefined)
  assert.equal(exceededLimit(usage, nothing, policy, 701), 'maxSize')
  assert.equal(exceededLimit(usageOf(500, 100), nothing, policy, 501), 'minFree')
})

test('SEC-92 FR-37: a thousand inodes stay free, or a twentieth of a small disk', () => {
  const excess = (totalInodes: number, freeInodes: number) =>
    excessInodes(usageOf(0, 0, { totalInodes, freeInodes }))
  assert.equal(excess(1_000_000, 1_000), 0)
  assert.equal(excess(1_000_000, 999), 1)
  assert.equal(excess(150, 8), 0)
  assert.equal(excess(150, 5), 3)
  assert.equal(excess(Infinity, Infinity), 0)
})

test('SEC-92: objects go by number too, however small they are', () => {
  const all = [item('a', 10, 3 * HOUR), item('b', 10, 2 * HOUR), item('c', 10, HOUR)]
  assert.deepEqual(names(all, { bytes: 0, urgent: 0, objects: 2 }, now, never), ['a', 'b'])
})

test('SEC-70: content in its grace goes for bytes that have come, and not for what is freed besides', () => {
  const all = [item('old', MiB, HOUR), item('just used', MiB, MINUTE)]
  assert.deepEqual(names(all, { bytes: 2 * MiB, urgent: MiB }, now, never), ['old'])
  assert.deepEqual(names(all, { bytes: 2 * MiB, urgent: MiB + 1 }, now, never), ['old', 'just used'])
  assert.deepEqual(names(all, { bytes: 2 * MiB, urgent: 0 }, now, never), ['old'])
})
