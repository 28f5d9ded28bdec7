import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { askHelper } from '../../src/upstream/credentials/credential-helper.ts'
import { CredentialProblem } from '../../src/upstream/credentials/credential-problem.ts'
import {
  cachedCredentials,
  type FetchedCredentials,
} from '../../src/upstream/credentials/cached-credentials.ts'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'

interface Helper {
  readonly run: Parameters<typeof askHelper>[0]
  readonly folder: string
  readonly stop: AbortController
}

/** A helper named `test`, which is this shell script. */
async function helperOf(t: TestContext, script: string): Promise<Helper> {
  const temp = await tempFolder()
  t.after(() => temp[Symbol.asyncDispose]())
  const file = join(temp.path, 'docker-credential-test')
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
  const stop = new AbortController()
  const env = { PATH: `${temp.path}:/usr/bin:/bin`, HERE: temp.path, SECRET: 's3cret' }
  return {
    folder: temp.path,
    stop,
    run: { name: 'test', server: 'registry.example:5443', env, signal: stop.signal },
  }
}

const CREDENTIALS = `printf '{"ServerURL":"x","Username":"ci","Secret":"%s"}' "$SECRET"`

const problem = (message: RegExp) => (error: unknown) =>
  error instanceof CredentialProblem && message.test(error.message) && !error.message.includes('s3cret')

test('a helper is given the server, and its answer is read', async (t) => {
  const { run, folder } = await helperOf(t, `echo "$1" >$HERE/args; cat >$HERE/stdin; ${CREDENTIALS}`)
  assert.deepEqual(await askHelper(run), { username: 'ci', password: 's3cret' })
  assert.equal(await readFile(join(folder, 'args'), 'utf8'), 'get\n')
  assert.equal(await readFile(join(folder, 'stdin'), 'utf8'), 'registry.example:5443\n')
})

test('the user <token> has an identity token', async (t) => {
  const { run } = await helperOf(t, `printf '{"Username":"<token>","Secret":"t0ken"}'`)
  assert.deepEqual(await askHelper(run), { identityToken: 't0ken' })
})

test('one that has none for this server says so in its own words', async (t) => {
  const { run } = await helperOf(t, 'echo credentials not found in native keychain; exit 1')
  assert.equal(await askHelper(run), undefined)
})

test('SEC-60 a helper that fails is named, and nothing it said is repeated', async (t) => {
  const failures: [what: string, script: string, message: RegExp][] = [
    ['fails', 'echo $SECRET; echo $SECRET >&2; exit 3', /^docker-credential-test ended with 3$/],
    ['is killed', 'kill -TERM $$', /ended with SIGTERM/],
    ['gives no JSON', 'echo "$SECRET"', /did not print credentials/],
    ['gives null', 'echo null', /did not print credentials/],
    ['gives no secret', `echo '{"Username":"s3cret","Secret":""}'`, /did not print credentials/],
    ['gives another type', `echo '{"Username":"u","Secret":["s3cret"]}'`, /did not print credentials/],
    ['never stops talking', 'yes "$SECRET"', /printed more than 65536 bytes/],
  ]
  for (const [what, script, message] of failures) {
    await t.test(what, async (t) => {
      const { run } = await helperOf(t, script)
      await assert.rejects(askHelper(run), problem(message))
    })
  }
  await t.test('is not there', async (t) => {
    const { run } = await helperOf(t, '')
    await assert.rejects(askHelper({ ...run, name: 'absent' }), problem(/absent cannot be run: ENOENT/))
  })
})

/** Whether the process that wrote its id there still runs. */
async function isRunning(file: string): Promise<boolean> {
  const pid = Number(await readFile(file, 'utf8').catch(() => '0'))
  if (pid === 0) return true
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return status !== '' && !/\) Z /.test(status)
}

test('a helper that hangs is ended, and what it started with it', async (t) => {
  const { run, folder } = await helperOf(t, 'sleep 300 & echo $! >$HERE/pid; wait')
  await assert.rejects(askHelper({ ...run, timeout: 300 }), problem(/took longer than 0.3 s/))
  await eventually(async () => !(await isRunning(join(folder, 'pid'))))
})

test('SEC-96 a helper whose child keeps its output open is read, and the child ends', async (t) => {
  const { run, folder } = await helperOf(t, `sleep 300 & echo $! >$HERE/pid; ${CREDENTIALS}`)
  assert.deepEqual(await askHelper(run), { username: 'ci', password: 's3cret' })
  await eventually(async () => !(await isRunning(join(folder, 'pid'))))
})

test('a helper ends when the proxy stops', async (t) => {
  const { run, folder, stop } = await helperOf(t, 'echo $$ >$HERE/pid; sleep 300')
  const asking = askHelper(run)
  await eventually(async () => (await readFile(join(folder, 'pid'), 'utf8').catch(() => '')) !== '')
  stop.abort()
  await assert.rejects(asking, problem(/was stopped/))
  await eventually(async () => !(await isRunning(join(folder, 'pid'))))
})

/** A source that is answered by the test: what the last question is answered with, and how many there were. */
function cached() {
  const clock = { now: 0 }
  const told: unknown[] = []
  const questions: PromiseWithResolvers<FetchedCredentials | undefined>[] = []
  const source = cachedCredentials({
    fetch() {
      const question = Promise.withResolvers<FetchedCredentials | undefined>()
      questions.push(question)
      return question.promise
    },
    failed: (error) => told.push(error),
    now: () => clock.now,
  })
  return { clock, told, questions, source }
}

const login = (password: string) => ({ username: 'ci', password })

test('one helper runs however many wait', async () => {
  const { source, questions } = cached()
  const waiting = Array.from({ length: 100 }, () => source())
  questions[0]!.resolve({ credentials: login('one') })
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([login('one')]))
  assert.equal(questions.length, 1)
})

test('after five minutes it is asked again while the old ones serve, whether it hangs, fails or succeeds', async () => {
  const { clock, source, questions, told } = cached()
  const first = source()
  questions[0]!.resolve({ credentials: login('one') })
  await first
  clock.now = 299_000
  await source()
  assert.equal(questions.length, 1)
  clock.now = 300_000
  for (let i = 0; i < 10; i++) assert.deepEqual(await source(), login('one'))
  assert.equal(questions.length, 2)

  questions[1]!.reject(new Error('down'))
  await eventually(() => told.length === 1)
  clock.now += 4_999
  assert.deepEqual(await source(), login('one'))
  assert.equal(questions.length, 2)
  clock.now += 1
  assert.deepEqual(await source(), login('one'))
  questions[2]!.resolve({ credentials: login('two') })
  await eventually(async () => isDeepStrictEqual(await source(), login('two')))
  assert.equal(questions.length, 3)
})

test('refused ones are asked for anew at once, but not over and over', async () => {
  const { clock, source, questions } = cached()
  const first = source()
  questions[0]!.resolve({ credentials: login('one') })
  const one = await first
  // It gave them a moment ago.
  assert.equal(await source(one), one)
  clock.now = 5_000
  const waiting = [source(one), source(one)]
  questions[1]!.resolve({ credentials: login('two') })
  const [two] = await Promise.all(waiting)
  assert.deepEqual(two, login('two'))
  assert.equal(await source(one), two)

  clock.now = 10_000
  const same = source(two)
  questions[2]!.resolve({ credentials: login('two') })
  assert.equal(await same, two)
  assert.equal(questions.length, 3)
})

test('a helper that never had any fails everybody, and is asked again after a while', async () => {
  const { clock, source, questions } = cached()
  const first = source()
  questions[0]!.reject(new Error('locked'))
  await assert.rejects(first, /locked/)
  await assert.rejects(source(), /locked/)
  assert.equal(questions.length, 1)
  clock.now = 5_000
  const mended = source()
  questions[1]!.resolve({ credentials: login('one') })
  assert.deepEqual(await mended, login('one'))
})
