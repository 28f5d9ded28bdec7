/** Signals that come while the program is still being loaded, and those that are sent to programs with log files. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { stringify } from 'yaml'
import { MAIN } from '../support/child.ts'
import { eventually } from '../support/fixtures.ts'
import { startService } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'

const SIGHUP = 1n

/** Whether a process listens for SIGHUP (proc(5)). */
function listens(pid: number): boolean {
  const [, caught] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return (BigInt(`0x${caught}`) & SIGHUP) !== 0n
}

interface Starting extends AsyncDisposable {
  readonly child: ChildProcess
  text(): string
  readonly exited: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>
}

/** A service that has just begun to listen for signals. */
async function starting(folder: string): Promise<Starting> {
  const file = join(folder, 'proxy.config.yaml')
  const listener = { host: '127.0.0.1', port: 0 }
  const config = { listen: listener, admin: listener, storage: { root: './data', minFree: 0 } }
  await writeFile(file, stringify(config))
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', file])
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
  const { promise: exited, resolve } = Promise.withResolvers<Awaited<Starting['exited']>>()
  child.once('exit', (code, signal) => resolve([code, signal]))
  await eventually(() => listens(child.pid!), 30_000)
  return {
    child,
    text: () => text,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

suite('while the program is being loaded', { skip: process.platform !== 'linux' }, () => {
  test('FR-46: SIGHUP does not end it; it starts, and reloads', async () => {
    await using folder = await tempFolder()
    await using service = await starting(folder.path)
    service.child.kill('SIGHUP')
    await eventually(() => /configuration reloaded/.test(service.text()), 30_000)
    service.child.kill('SIGTERM')
    assert.deepEqual(await service.exited, [0, null])
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`FR-30: ${signal} ends it with exit code 0`, async () => {
      await using folder = await tempFolder()
      await using service = await starting(folder.path)
      service.child.kill(signal)
      assert.deepEqual(await service.exited, [0, null])
    })
  }
})

test('what log rotation sends opens no debugger, and does not end it', async () => {
  await using folder = await tempFolder()
  const config = { upstreams: { 'docker.io': { url: 'http://127.0.0.1:1' } } }
  await using service = await startService({ folder: folder.path, config })
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) service.signal(signal)
  service.signal('SIGHUP')
  await eventually(() => service.log().some(({ msg }) => msg === 'configuration reloaded'), 30_000)
  service.signal('SIGTERM')
  assert.deepEqual(await service.exited, { code: 0, signal: null })
  assert.doesNotMatch(service.text(), /Debugger/)
})
