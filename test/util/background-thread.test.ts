import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { getPriority } from 'node:os'
import { test } from 'node:test'
import { promisify } from 'node:util'
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

const PROGRAM = `
  import { readdirSync, readFileSync } from 'node:fs'
  import { getPriority } from 'node:os'
  import { runHelpersInBackground } from ${JSON.stringify(MODULE.href)}
  const threads = readdirSync('/proc/self/task')
  const priorities = () => threads.map((thread) => getPriority(Number(thread)))
  const before = priorities()
  runHelpersInBackground()
  const after = priorities()
  const nameOf = (thread) => readFileSync('/proc/self/task/' + thread + '/comm', 'utf8').trim()
  console.log(JSON.stringify(threads.map((thread, i) => [nameOf(thread), before[i], after[i]])))`

test('SEC-73: the threads that V8 collects on step back behind all others, which stay where they are', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PROGRAM])
  const threads = JSON.parse(stdout) as readonly [string, number, number][]
  const helpers = threads.filter(([name]) => name === 'V8Worker')
  assert.ok(helpers.length > 0)
  for (const [, , priority] of helpers) assert.equal(priority, 19)
  for (const [name, before, after] of threads) if (name !== 'V8Worker') assert.equal(after, before, name)
})
