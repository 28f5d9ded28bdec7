/** A whole fetch in virtual time: a tick is a beat, and the source sends so much on each connection in it. */
import assert from 'node:assert/strict'
import { afterEach, mock, suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BlobFetch } from '../../src/download/fetch/blob-fetch.ts'
import type { Source } from '../../src/download/download-request.ts'
import { mayOpenAnother, segmentLength } from '../../src/download/fetch/request-budget.ts'
import { IntervalSet } from '../../src/util/interval-set.ts'

const MiB = 1024 * 1024
const BEATS_PER_SECOND = 10
const policy = {
  connections: 4,
  segmentAbove: 32 * MiB,
  finishFrom: 0.25,
  finishBelow: 64 * MiB,
  retryDelay: 20,
}

interface Fetched {
  readonly requests: number
  readonly most: number
  readonly seconds: number
}

interface Conditions {
  readonly size: number
  /** Bytes per second that upstream sends on one connection. */
  readonly perConnection: number
  /** Bytes per second of all connections together. */
  readonly together?: number
  /** The share of its rate that upstream sends at a beat: it may be irregular. */
  readonly share?: (beat: number) => number
  /** A reader that waits, at each beat. */
  readonly waits?: (beat: number, filled: IntervalSet) => number | undefined
}

async function fetched({
  size,
  perConnection,
  together = Infinity,
  share = () => 1,
  waits = () => undefined,
}: Conditions): Promise<Fetched> {
  const filled = new IntervalSet()
  const open = new Set<{ credit: number; wake: () => void }>()
  let requests = 0
  let most = 0
  let beat = 0
  let time = 0
  mock.method(performance, 'now', () => time)
  const source: Source = {
    async open({ start = 0, end = size } = {}) {
      requests += 1
      return {
        start,
        total: size,
        ranges: true,
        async *[Symbol.asyncIterator]() {
          const connection = { credit: 0, wake: () => {} }
          open.add(connection)
          most = Math.max(most, open.size)
          try {
            for (let at = start; at < end;) {
              while (connection.credit < 1) await new Promise<void>((resolve) => (connection.wake = resolve))
              const chunk = NOTHING.subarray(0, Math.min(connection.credit, end - at, MiB))
              connection.credit -= chunk.length
              at += chunk.length
              yield chunk
            }
          } finally {
            open.delete(connection)
          }
        },
      }
    },
  }
  const fetch = new BlobFetch({
    ingest: {
      filled,
      async write(chunk, position) {
        filled.add(position, position + chunk.length)
        return chunk.length
      },
      read: async () => 0,
      verify: async () => {},
      commit: () => Promise.reject(new Error('nobody commits')),
      keep: async () => {},
      async [Symbol.asyncDispose]() {},
    },
    source,
    expectedSize: size,
    policy,
    observer: {
      confirmed() {},
      wrote() {},
      resumed() {},
      positions: () => [waits(beat, filled) ?? []].flat(),
    },
  })
  const state = { isOver: false }
  const run = fetch.run(new AbortController().signal).finally(() => (state.isOver = true))
  await nextTurn()
  for (; !state.isOver && beat < 10_000; beat += 1) {
    const rate = Math.min(perConnection, together / Math.max(1, open.size)) * share(beat)
    for (const connection of open) {
      connection.credit = Math.min(connection.credit, 1) + Math.floor(rate / BEATS_PER_SECOND)
      connection.wake()
    }
    while (!state.isOver && [...open].some(({ credit }) => credit >= 1)) await nextTurn()
    for (let turn = 0; turn < 5; turn += 1) await nextTurn()
    time += 1000 / BEATS_PER_SECOND
    fetch.beat(false)
    await nextTurn()
  }
  assert.equal(await run, size)
  assert.deepEqual([...filled], [{ start: 0, end: size }])
  return { requests, most, seconds: beat / BEATS_PER_SECOND }
}

const NOTHING = Buffer.alloc(MiB)
const allowedFor = (size: number) => 8 + Math.floor(size / (64 * MiB))

suite('several connections never cost', () => {
  afterEach(() => mock.restoreAll())

  test('an upstream that limits a connection to 20 MB/s: at least three times as fast', async () => {
    for (const size of [256 * MiB, 512 * MiB]) {
      const { requests, most, seconds } = await fetched({ size, perConnection: 20e6 })
      assert.equal(most, 4)
      assert.ok(size / 20e6 / seconds >= 3, `${size / 20e6 / seconds}`)
      assert.ok(requests <= allowedFor(size), `${requests} requests for ${size / MiB} MiB`)
    }
  })

  test('an upstream that sends 250 MB/s on a connection gets a second one, which pays, and no third', async () => {
    const size = 512 * MiB
    const { requests, most, seconds } = await fetched({ size, perConnection: 250e6 })
    assert.equal(most, 2)
    assert.ok(size / 250e6 / seconds >= 1.3, `${size / 250e6 / seconds}`)
    assert.ok(requests <= allowedFor(size), `${requests} requests`)
  })

  test('it gets its second one as well where its first bytes had to wait, and came at once', async () => {
    const size = 512 * MiB
    for (const waited of [0.2, 0.8, 1]) {
      const { most, seconds } = await fetched({
        size,
        perConnection: 250e6,
        share: (beat) => [1 - waited, 1 + waited][beat] ?? 1,
      })
      assert.equal(most, 2)
      assert.ok(size / 250e6 / seconds >= 1.2, `${size / 250e6 / seconds} with ${waited}`)
    }
  })

  test('an upstream that sends 400 MB/s on a connection gets one GET, also where it falters', async () => {
    const steady = await fetched({ size: 512 * MiB, perConnection: 400e6 })
    const faltering = await fetched({
      size: 512 * MiB,
      perConnection: 400e6,
      share: (beat) => (beat % 10 < 5 ? 1 : 0.2),
    })
    assert.deepEqual([steady.requests, faltering.requests], [1, 1])
  })

  test('an upstream that limits the client, not the connection, gets few requests and loses no time', async () => {
    const size = 256 * MiB
    const { requests, seconds } = await fetched({ size, perConnection: 20e6, together: 20e6 })
    assert.ok(requests <= allowedFor(size), `${requests} requests`)
    assert.ok(seconds <= (1.05 * size) / 20e6, `${seconds} s`)
  })

  test('readers that jump about far ahead stay within the requests of a blob', async () => {
    const size = 512 * MiB
    const { requests } = await fetched({
      size,
      perConnection: 20e6,
      waits: (beat, filled) => filled.firstGap(((beat * 37) % 500) * MiB, size)?.start,
    })
    assert.ok(requests <= allowedFor(size), `${requests} requests`)
  })
})

test('a segment is the longer, the fewer requests are left and the more is missing', () => {
  const fresh = { size: 1024 * MiB, missing: 1024 * MiB, sent: 0, due: 0 }
  assert.equal(segmentLength({ ...fresh, size: 64 * MiB, missing: 9 * MiB }), 8 * MiB)
  assert.equal(segmentLength(fresh), Math.ceil((1024 * MiB) / (24 * 0.6)))
  assert.equal(segmentLength({ ...fresh, sent: 20 }), Math.ceil((1024 * MiB) / (4 * 0.6)))
  assert.equal(segmentLength({ ...fresh, sent: 20, due: 4 }), Infinity)
  assert.ok(mayOpenAnother({ ...fresh, sent: 20, due: 2 }))
  assert.ok(!mayOpenAnother({ ...fresh, sent: 20, due: 3 }))
})
