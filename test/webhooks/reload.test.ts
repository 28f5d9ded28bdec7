/** Webhooks change with the configuration, and with the files of their secrets, while the process runs. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/fixtures.ts'
import { startService } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { webhookReceiver } from '../support/webhook-receiver.ts'

const OLD = 'the-old-secret-of-it'
const NEW = 'the-new-secret-of-it'

test('SIGHUP adds and removes webhooks, and a secret is read again; a bad one is not taken', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'secret')
  await writeFile(file, OLD, { mode: 0o600 })
  await using first = await webhookReceiver(OLD)
  await using second = await webhookReceiver(NEW)
  const upstreams = { 'a.test': { url: 'http://127.0.0.1:1' } }
  const hook = (url: string) => ({ url, secretFile: 'secret', types: ['upstream.down'] })
  const config = (...urls: string[]) => ({ upstreams, events: urls.map(hook) })
  await using service = await startService({ folder: folder.path, config: config(first.url) })
  const said = (text: string) => service.log().filter(({ msg }) => String(msg).includes(text)).length

  /** An upstream that goes offline for a while is one event. */
  const happen = async (): Promise<void> => {
    const url = `${service.adminUrl}/api/v1/upstreams/a.test/offline?for=1m`
    const headers = { 'Content-Type': 'application/json' }
    for (const method of ['POST', 'DELETE']) assert.ok((await fetch(url, { method, headers })).ok, method)
  }
  const reload = async (...urls: string[]): Promise<void> => {
    const before = said('configuration reloaded')
    await service.configure(config(...urls))
    service.signal('SIGHUP')
    await eventually(() => said('configuration reloaded') > before, 20_000)
  }

  await happen()
  await eventually(() => first.received.length === 1, 20_000)
  assert.ok(first.received[0]!.isGenuine)

  await writeFile(file, 'short')
  await eventually(() => said('reload failed') > 0, 20_000)
  await happen()
  await eventually(() => first.received.length === 2, 20_000)
  assert.ok(first.received[1]!.isGenuine, 'the previous secret')

  await writeFile(file, NEW)
  await eventually(() => said('reloaded') > 0, 20_000)
  await reload(second.url)
  await happen()
  await eventually(() => second.received.length === 1, 20_000)
  assert.ok(second.received[0]!.isGenuine)
  assert.equal(first.received.length, 2, 'it was removed')
  service.signal('SIGTERM')
  assert.equal((await service.exited).code, 0)
})
