/** A start that fails leaves nothing behind: no process, no listener, no lock on the store. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { entrepot } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { runEntrepot } from '../support/child.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

interface Taken extends AsyncDisposable {
  readonly port: number
}

async function taken(): Promise<Taken> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  }
}

const FREE = '{ host: 127.0.0.1, port: 0 }'
const STORE = 'storage: { root: ./data, minFree: 0 }'

for (const listener of ['listen', 'admin'] as const) {
  const other = listener === 'listen' ? 'admin' : 'listen'
  test(`FR-31: the port of ${listener} is taken: one line, exit code 1, the store is released`, async () => {
    await using folder = await tempFolder()
    await using held = await taken()
    const file = join(folder.path, 'proxy.config.yaml')
    await writeFile(
      file,
      `${listener}: { host: 127.0.0.1, port: ${held.port} }\n${other}: ${FREE}\n${STORE}\n`,
    )
    const { code, stderr } = await runEntrepot('serve', '--config', file)
    assert.deepEqual(
      [code, stderr],
      [1, `entrepot: cannot listen on 127.0.0.1:${held.port}: another process uses that port\n`],
    )
    await using again = await startProxy({ upstream: { url: 'http://127.0.0.1:1' }, folder: folder.path })
    assert.ok(again.port > 0)
  })
}

test('FR-31: a host that is not ours, or that does not resolve', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'proxy.config.yaml')
  for (const [host, reason] of [
    ['203.0.113.7', '203.0.113.7: this machine does not have that address'],
    ['no-such-host.invalid', 'no-such-host.invalid: the name does not resolve'],
  ] as const) {
    await writeFile(file, `listen: { host: ${host}, port: 0 }\nadmin: ${FREE}\n${STORE}\n`)
    const { code, stderr } = await runEntrepot('serve', '--config', file)
    assert.deepEqual([code, stderr], [1, `entrepot: cannot listen on ${reason}\n`])
  }
})

test('a file where the store or a part of it is to be is named', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'proxy.config.yaml')
  const isInTheWay = join(folder.path, 'taken')
  await writeFile(isInTheWay, '')
  for (const [root, problem] of [
    ['taken', `cannot use ${isInTheWay}: it is a file, and a folder is needed`],
    ['taken/data', `cannot use ${isInTheWay}/data: a part of its path is a file, not a folder`],
  ] as const) {
    await writeFile(file, `listen: ${FREE}\nadmin: ${FREE}\nstorage: { root: ${root}, minFree: 0 }\n`)
    const { code, stderr } = await runEntrepot('serve', '--config', file)
    assert.deepEqual([code, stderr], [1, `entrepot: ${problem}\n`])
  }
})

test('FR-31: within the process too, a failed start closes what it had opened', async () => {
  await using folder = await tempFolder()
  await using held = await taken()
  const file = join(folder.path, 'proxy.config.yaml')
  await writeFile(file, `listen: ${FREE}\nadmin: { host: 127.0.0.1, port: ${held.port} }\n${STORE}\n`)
  const config = await loadConfig({ file, env: {}, required: true })
  const ports: number[] = []
  const log = pino({}, { write: (line: string) => ports.push(Number(JSON.parse(line).port)) })
  await assert.rejects(entrepot(config, log), { code: 'EADDRINUSE' })
  const port = ports.find((port) => port > 0)
  await assert.rejects(fetch(`http://127.0.0.1:${port}/v2/`))
  await using again = await startProxy({ upstream: { url: 'http://127.0.0.1:1' }, folder: folder.path })
  assert.ok(again.port > 0)
})
