import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobs } from '../../src/observe/jobs.ts'

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error)),
  )

function started() {
  const lines: object[] = []
  const log = {
    info: (fields: object) => void lines.push(fields),
    warn: (fields: object) => void lines.push(fields),
  }
  return { lines, all: jobs({ log, now: () => 0 }) }
}

test('a job is seen while it runs, and after it has ended', async () => {
  const { all, lines } = started()
  const { promise: going, resolve: go } = Promise.withResolvers<string>()
  const result = all.run({ kind: 'warm', target: 'node' }, async ({ say }) => {
    say('half')
    return going
  })
  assert.deepEqual(
    all.list().map(({ id, state, said }) => [id, state, said]),
    [['warm-1', 'running', 'half']],
  )
  go('whole')
  assert.equal(await result, 'whole')
  assert.deepEqual(all.list()[0]?.state, 'done')
  assert.deepEqual(lines, [{ job: 'warm-1', target: 'node', result: 'done', said: 'half' }])
})

test('a job is cancelled by its id, by its client, and when the process stops', async () => {
  const { all } = started()
  const leaving = new AbortController()
  const wait = ({ signal }: { readonly signal: AbortSignal }) => untilAborted(signal)
  const byId = assert.rejects(all.run({ kind: 'warm', target: 'a' }, wait), { message: 'cancelled' })
  const byClient = assert.rejects(all.run({ kind: 'warm', target: 'b', signal: leaving.signal }, wait), {
    message: 'left',
  })
  const byStop = assert.rejects(all.run({ kind: 'warm', target: 'c' }, wait), {
    message: 'the process stops',
  })
  assert.equal(all.cancel('warm-1'), true)
  await byId
  assert.equal(all.cancel('warm-1'), false)
  leaving.abort(new Error('left'))
  await byClient
  await all[Symbol.asyncDispose]()
  await byStop
  assert.deepEqual(
    all.list().map(({ state }) => state),
    ['cancelled', 'cancelled', 'cancelled'],
  )
})

test('so many jobs run at a time, and a failed one says why', async () => {
  const { all } = started()
  await assert.rejects(
    all.run({ kind: 'push', target: 'x' }, async () => {
      throw new Error('no room')
    }),
    { message: 'no room' },
  )
  assert.deepEqual([all.list()[0]?.state, all.list()[0]?.said], ['failed', 'no room'])
  const running = Array.from({ length: 16 }, () =>
    all.run({ kind: 'push', target: 'x' }, ({ signal }) => untilAborted(signal)).catch(() => {}),
  )
  await assert.rejects(
    all.run({ kind: 'push', target: 'x' }, async () => {}),
    /16 jobs are running already/,
  )
  await all[Symbol.asyncDispose]()
  await Promise.all(running)
  assert.equal(all.list().length, 17)
})
