import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/fixtures.ts'
import { startService, WAYS } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'

const FAILS = "process.on('SIGUSR2', () => void Promise.reject(new Error('left alone')))"

test('a promise that fails with nobody waiting for it is logged, and ends nobody else', async () => {
  await using folder = await tempFolder()
  const [node, ...args] = WAYS.node
  await using service = await startService({
    config: { upstreams: { up: { url: 'http://127.0.0.1:1' } } },
    folder: folder.path,
    way: [node, '--import', `data:text/javascript,${encodeURIComponent(FAILS)}`, ...args],
  })
  service.signal('SIGUSR2')
  await eventually(async () => service.text().includes('left alone'))
  const told = service.log().find(({ msg }) => msg === 'a failure that nobody handled')
  assert.equal(told?.['level'], 50)
  assert.equal((await fetch(`${service.adminUrl}/readyz`)).status, 200)
  service.signal('SIGTERM')
  assert.equal((await service.exited).code, 0)
})
