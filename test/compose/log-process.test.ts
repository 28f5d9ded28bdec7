/** The log of a real process, to a file and to a pipe: no line is lost when it ends, and a blocked pipe blocks nobody. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const CRASH = `data:text/javascript,process.on('SIGUSR2',()=>{throw new Error('a bug')})`
/** Node has the pipes that a child inherits block. */
const BLOCKED = `data:text/javascript,import { spawnSync } from 'node:child_process';
process.stdout.fd; spawnSync('true', { stdio: ['ignore', 'inherit', 'ignore'] })`

interface Service extends AsyncDisposable {
  readonly child: ChildProcess
  /** Where its log arrives, unless that is a file. */
  readonly output: Readable | null
  /** What it has logged so far. */
  readonly log: () => string
  port(): Promise<number>
}

/** Of Node, a `pipe` is a pair of sockets; a `fifo` is a pipe as shells and container engines make them. */
async function startService(target: 'file' | 'pipe' | 'fifo', preload = CRASH): Promise<Service> {
  const folder = await tempFolder()
  const config = join(folder.path, 'proxy.config.yaml')
  const file = join(folder.path, 'log')
  const listener = { host: '127.0.0.1', port: 0 }
  const storage = { root: './data', minFree: 0 }
  await writeFile(config, stringify({ listen: listener, admin: listener, storage }))
  if (target === 'fifo') execFileSync('mkfifo', [file])
  const reader =
    target === 'fifo'
      ? new Socket({ fd: openSync(file, constants.O_RDONLY | constants.O_NONBLOCK), readable: true })
      : undefined
  const fd = target === 'pipe' ? 'pipe' : openSync(file, 'w')
  const child = spawn(process.execPath, ['--import', preload, MAIN, 'serve', '--config', config], {
    stdio: ['ignore', fd, 'pipe'],
  })
  if (typeof fd === 'number') closeSync(fd)
  let piped = ''
  const output = reader ?? child.stdout
  output?.setEncoding('utf8').on('data', (text: string) => (piped += text))
  child.stderr!.resume()
  const log = () => (target === 'file' ? readFileSync(file, 'utf8') : piped)
  const portIn = (text: string) => /"listener":"registry".*?"port":(\d+)/.exec(text)?.[1]
  return {
    child,
    output,
    log,
    async port() {
      await eventually(() => portIn(log()) !== undefined, 60_000)
      return Number(portIn(log()))
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
      reader?.destroy()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** @returns how many of the requests were answered */
async function ask(port: number, count: number, path = '/v2/'): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const answers = Array.from(
    { length: count },
    () =>
      new Promise<number>((resolve) => {
        get({ port, host: '127.0.0.1', path, agent }, (response) => {
          response.resume().once('end', () => resolve(1))
        }).once('error', () => resolve(0))
      }),
  )
  const answered = (await Promise.all(answers)).reduce((sum, one) => sum + one, 0)
  agent.destroy()
  return answered
}

function requestsIn(log: string): number {
  return log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === 'request').length
}

for (const target of ['file', 'pipe', 'fifo'] as const) {
  for (const [how, signal, code] of [
    ['SIGTERM', 'SIGTERM', 0],
    ['a crash', 'SIGUSR2', 1],
  ] as const) {
    test(`to a ${target}: no line of an answered request is lost by ${how}`, async () => {
      await using service = await startService(target)
      const answered = await ask(await service.port(), 3000)
      service.child.kill(signal)
      const [exit] = (await once(service.child, 'close')) as [number]
      assert.equal(exit, code)
      assert.equal(answered, 3000)
      await eventually(() => requestsIn(service.log()) >= answered)
      assert.equal(requestsIn(service.log()), answered)
    })
  }
}

test('F88: a pipe that nobody reads blocks no answer, and not the end; the dropped lines are told', async () => {
  await using service = await startService('pipe')
  const port = await service.port()
  service.child.stdout!.pause()
  const long = `/v2/${'x'.repeat(250)}/nothing`
  // More than the pipe, this process's buffers, and the 4 MiB that wait hold.
  for (let asked = 0; asked < 15_000; asked += 3000) assert.equal(await ask(port, 3000, long), 3000)
  service.child.stdout!.resume()
  await eventually(() => service.log().includes('log lines were dropped'))
  const told = /"lines":(\d+),"msg":"log lines were dropped/.exec(service.log())?.[1]
  const { length } = service.log().split('"msg":"request"')
  assert.equal(length - 1 + Number(told), 15_000)
  service.child.stdout!.pause()
  await ask(port, 1000, long)
  service.child.kill('SIGTERM')
  const [exit] = (await once(service.child, 'exit')) as [number]
  assert.equal(exit, 0)
})

test('F88: a pipe that another process has made block, and nobody reads, blocks neither answers nor the end', async () => {
  await using service = await startService('fifo', BLOCKED)
  const port = await service.port()
  service.output!.pause()
  const long = `/v2/${'x'.repeat(250)}/nothing`
  // More than the pipe and this process's buffers hold.
  assert.equal(await ask(port, 1000, long), 1000)
  service.child.kill('SIGTERM')
  const [exit] = (await once(service.child, 'exit')) as [number]
  assert.equal(exit, 0)
})

test('F88: a reader of the pipe that is gone stops nothing', async () => {
  await using service = await startService('pipe')
  const port = await service.port()
  service.child.stdout!.destroy()
  assert.equal(await ask(port, 3000), 3000)
  assert.equal(await ask(port, 3000), 3000)
  service.child.kill('SIGTERM')
  const [exit] = (await once(service.child, 'exit')) as [number]
  assert.equal(exit, 0)
})
