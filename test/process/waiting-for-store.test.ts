/** A rolling update on one volume: what the second process answers while the first one has the store open. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { type Entrepot, entrepot } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { eventually } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

const NOWHERE = { url: 'http://127.0.0.1:1' }

interface Starting extends AsyncDisposable {
  readonly log: readonly Record<string, unknown>[]
  readonly started: Promise<Entrepot>
}

/** A second proxy with the store of the first. */
async function second(folder: string, root: string, adminPort = 0, lockTimeout = '60s'): Promise<Starting> {
  const file = join(folder, 'second.yaml')
  const config = {
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: adminPort },
    storage: { root, minFree: 0, lockTimeout },
    publicUpstreams: false,
    upstreams: { 'docker.io': NOWHERE },
  }
  await writeFile(file, stringify(config))
  const log: Record<string, unknown>[] = []
  const sink = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) }
  const started = entrepot(await loadConfig({ file, env: {}, required: true }), pino({}, sink))
  const stopped = started.then(
    (running) => () => running.stop({ delay: 0, grace: 0 }),
    () => async () => {},
  )
  return { log, started, [Symbol.asyncDispose]: async () => (await stopped)() }
}

const says = ({ log }: Starting, text: string) => log.find(({ msg }) => msg === text)

async function adminUrl(starting: Starting): Promise<string> {
  await eventually(() => says(starting, 'listening') !== undefined, 20_000)
  const { listener, port } = says(starting, 'listening')!
  assert.equal(listener, 'admin', 'the registry is closed')
  return `http://127.0.0.1:${String(port)}`
}

suite('FR-44: while another process has the store open', () => {
  test('the admin listener tells so: alive, not ready; it is ready when that process has ended', async () => {
    await using folder = await tempFolder()
    await using first = await startProxy({ upstream: NOWHERE, folder: folder.path })
    await using starting = await second(folder.path, join(first.folder, 'data'))
    const url = await adminUrl(starting)
    const reason = `waiting for the store, which process ${process.pid} has open`
    const answer = async (path: string) => {
      const response = await fetch(url + path)
      return [response.status, await response.json()]
    }
    assert.deepEqual(await answer('/healthz'), [200, { status: 'ok', details: [reason] }])
    assert.deepEqual(await answer('/readyz'), [503, { status: 'unavailable', reasons: [reason] }])
    for (const path of ['/metrics', '/', '/api/v1/usage']) {
      assert.deepEqual(await answer(path), [503, { error: reason }])
    }
    assert.equal(starting.log.filter(({ msg }) => msg === 'listening').length, 1)

    await first.stop()
    const running = await starting.started
    assert.equal(running.admin?.url, url)
    assert.deepEqual(await answer('/healthz'), [200, { status: 'ok' }])
    assert.deepEqual(await answer('/readyz'), [200, { status: 'ok' }])
    assert.equal((await fetch(`${running.registry.url}/v2/`)).status, 200)
    await running.stop({ delay: 0, grace: 0 })
    await assert.rejects(fetch(`${url}/healthz`))
  })

  test('on one machine, the admin port is left to it, and taken over with the store', async () => {
    await using folder = await tempFolder()
    await using first = await startProxy({ upstream: NOWHERE, folder: folder.path })
    const port = Number(new URL(first.adminUrl).port)
    await using starting = await second(folder.path, join(first.folder, 'data'), port)
    await eventually(
      () => says(starting, 'health is not answered before the store is open') !== undefined,
      20_000,
    )
    assert.equal((await fetch(`${first.adminUrl}/readyz`)).status, 200)
    await first.stop()
    await starting.started
    assert.equal((await fetch(`${first.adminUrl}/readyz`)).status, 200)
  })

  test('when it waits in vain, its admin listener is closed again', async () => {
    await using folder = await tempFolder()
    await using first = await startProxy({ upstream: NOWHERE, folder: folder.path })
    await using starting = await second(folder.path, join(first.folder, 'data'), 0, '1s')
    const url = await adminUrl(starting)
    await assert.rejects(starting.started, /the store is in use by process/)
    await assert.rejects(fetch(`${url}/healthz`))
    assert.equal((await fetch(`${first.adminUrl}/readyz`)).status, 200)
  })
})
