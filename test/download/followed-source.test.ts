/** A source that passes on what it is receiving itself: another replica that downloads the blob. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BlobFetch } from '../../src/download/fetch/blob-fetch.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'

const { bytes, digest } = blobOf(40 * 1024 * 1024)

/** Fetches from a slow source for so many beats, or until it was asked again. @returns where its requests began */
async function fetchFrom(isFollowed: boolean, beats: number, reader?: number): Promise<readonly number[]> {
  const ingest = await memoryStore().blobs.ingest({ digest, origin: 'fake' })
  const starts: number[] = []
  const stop = new AbortController()
  const fetch = new BlobFetch({
    ingest,
    expectedSize: bytes.length,
    policy: { connections: 4, segmentAbove: 1024 * 1024, finishFrom: 1, finishBelow: 0, retryDelay: 10 },
    observer: {
      confirmed() {},
      wrote() {},
      resumed() {},
      positions: () => (reader === undefined ? [] : [reader]),
    },
    source: {
      async open(range, signal): Promise<BlobBody> {
        const start = range?.start ?? 0
        starts.push(start)
        return {
          start,
          total: bytes.length,
          ranges: true,
          isFollowed,
          async *[Symbol.asyncIterator]() {
            for (let at = start; at < bytes.length; at += 65_536) {
              await sleep(15, undefined, { signal })
              yield bytes.subarray(at, Math.min(bytes.length, at + 65_536))
            }
          },
        }
      },
    },
  })
  const running = fetch.run(stop.signal).catch(() => undefined)
  for (let beat = 0; beat < beats && starts.length < 2; beat++) {
    await sleep(100)
    fetch.beat(false)
    await eventually(() => ingest.filled.size > 0)
  }
  stop.abort()
  await running
  await ingest[Symbol.asyncDispose]()
  return starts
}

test('it is asked once, however long it takes; another one gets several connections', async () => {
  assert.deepEqual(await fetchFrom(true, 12), [0])
  assert.ok((await fetchFrom(false, 80)).length > 1)
})

test('a reader that waits far ahead gets a connection of its own all the same', async () => {
  assert.deepEqual((await fetchFrom(true, 80, 39 * 1024 * 1024)).slice(0, 2), [0, 39 * 1024 * 1024])
})
