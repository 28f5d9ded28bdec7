import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { jobAnswer, jobRoutes } from '../../src/admin/job-routes.ts'
import type { AdminEnv } from '../../src/admin/refuse.ts'
import { jobs } from '../../src/observe/jobs.ts'
import { eventually } from '../support/fixtures.ts'

async function serve(task: Parameters<typeof jobAnswer>[2]) {
  const all = jobs({ log: { info() {}, warn() {} }, now: () => 0 })
  const failures: unknown[] = []
  const app = new Hono<AdminEnv>().route('/', jobRoutes(all))
  app.post('/warm', (c) =>
    jobAnswer(c, { jobs: all, kind: 'warm', target: 'x', failed: (error) => failures.push(error) }, task),
  )
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }) as never)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    all,
    failures,
    async [Symbol.asyncDispose]() {
      await all[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const lines = (text: string): unknown[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)

test('a job answers with its progress, and its result in the last line', async () => {
  await using served = await serve(async ({ say }, put) => {
    say('half')
    put('a', { a: 1 })
    put('a', { a: 2 })
    return { sum: 3 }
  })
  const answer = await fetch(`${served.url}/warm`, { method: 'POST' })
  assert.deepEqual(lines(await answer.text()), [{ a: 2 }, { sum: 3, isDone: true }])
  const listed = (await (await fetch(`${served.url}/jobs`)).json()) as {
    jobs: { id: string; said: string }[]
  }
  assert.deepEqual(
    listed.jobs.map(({ id, said }) => [id, said]),
    [['warm-1', 'half']],
  )
})

test('a job is cancelled by DELETE, and says so; one that is over is not there', async () => {
  await using served = await serve(
    ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  )
  const answer = fetch(`${served.url}/warm`, { method: 'POST' })
  await eventually(() => served.all.list().length === 1)
  assert.equal((await fetch(`${served.url}/jobs/warm-1`, { method: 'DELETE' })).status, 200)
  assert.deepEqual(lines(await (await answer).text()), [{ error: 'cancelled' }])
  assert.equal((await fetch(`${served.url}/jobs/warm-1`, { method: 'DELETE' })).status, 404)
})

test('a job ends when its client leaves', async () => {
  await using served = await serve(
    ({ signal }, put) =>
      new Promise((_, reject) => {
        put('a', {})
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  )
  const leaving = new AbortController()
  const answer = await fetch(`${served.url}/warm`, { method: 'POST', signal: leaving.signal })
  await answer.body!.getReader().read()
  leaving.abort()
  await eventually(() => served.all.list()[0]?.state === 'cancelled')
  assert.deepEqual(served.failures, [])
})

test('a bug goes to the log, and not to the client', async () => {
  await using served = await serve(async () => {
    throw new TypeError('secret')
  })
  const answer = await fetch(`${served.url}/warm`, { method: 'POST' })
  assert.deepEqual(lines(await answer.text()), [{ error: 'it failed, see the log' }])
  assert.equal(served.failures.length, 1)
})
