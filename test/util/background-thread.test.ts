import assert from 'node:assert/strict'
import { once } from 'node:events'
import { getPriority } from 'node:os'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

const MODULE = new URL('../../src/util/async/background-thread.ts', import.meta.url)
const THREAD = `
  import { readlinkSync } from 'node:fs'
  import { getPriority } from 'node:os'
  import { parentPort } from 'node:worker_threads'
  import { runInBackground } from ${JSON.stringify(MODULE.href)}
  runInBackground()
  parentPort.postMessage(getPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1))))`

test('a thread steps back behind the others, and the main thread stays where it is', async () => {
  const before = getPriority()
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`))
  const [priority] = (await once(worker, 'message')) as [number]
  await worker.terminate()
  assert.equal(priority, Math.max(before, 10))
  assert.equal(getPriority(), before)
})
