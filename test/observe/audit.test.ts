/** Who changed something, from where, what, and how it ended; and who was not let in. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { auditTrail } from '../../src/observe/audit-trail.ts'
import type { AuditEntry } from '../../src/ports/insight/audit.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('changes and refused logins are in the log and at /api/v1/audit', async () => {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream()
  upstream.addManifest('library/app', '1', manifestOf([]), OCI_MANIFEST)
  const users = join(folder.path, 'users')
  await writeFile(users, `ci:${hashSync('right', 4)}\n`)
  const token = 'a-token-of-many-characters'
  await using proxy = await startProxy({
    upstream,
    folder: folder.path,
    config: { access: { htpasswd: users }, admin: { host: '127.0.0.1', port: 0, token } },
  })
  const login = (password: string) => [`Authorization: Basic ${btoa(`ci:${password}`)}`]
  const pull = (password: string) =>
    call(proxy.port, 'GET', '/v2/app/manifests/1', login(password)).then(({ status }) => status)
  assert.equal(await pull('right'), 200)
  for (let i = 0; i < 5; i++) assert.equal(await pull('wrong'), 401)
  const send = async (method: string, path: string, content: object, headers: object = {}) =>
    (
      await fetch(`${proxy.adminUrl}/api/v1/${path}`, {
        method,
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(content),
      })
    ).status
  const elsewhere = { 'X-Forwarded-For': '10.1.2.3' }
  const local = { Authorization: `Bearer ${token}` }
  const withToken = { ...elsewhere, ...local }
  assert.equal(await send('PUT', 'pins', { pattern: 'app:1' }, local), 201)
  assert.equal(await send('DELETE', 'pins', { pattern: 'app:1' }, withToken), 200)
  assert.equal(await send('POST', 'purge', { pattern: 'app:1', dryRun: true }, local), 200)
  assert.equal(await send('POST', 'purge', { pattern: 'app:1' }, local), 200)
  assert.equal(await send('POST', 'purge', { pattern: 'a b' }, local), 400)
  assert.equal(await send('POST', 'purge', { pattern: '**' }, elsewhere), 401)
  const wrong = { ...elsewhere, Authorization: 'Bearer another-token-of-characters' }
  assert.equal(await send('POST', 'purge', { pattern: '**' }, wrong), 401)

  const { audit } = (await (await fetch(`${proxy.adminUrl}/api/v1/audit`)).json()) as {
    readonly audit: readonly AuditEntry[]
  }
  const here = '127.0.0.1'
  const behind = '127.0.0.1 (for 10.1.2.3)'
  assert.deepEqual(
    audit.map(({ action, by, from, target, result, times }) => [action, by, from, target, result, times]),
    [
      ['login', 'admin.token', behind, 'admin API', 'refused', 2],
      ['purge', 'admin.token', here, 'a b', 'answered 400', 1],
      ['purge', 'admin.token', here, 'app:1', 'removed 1 image, 1 object, 246 B', 1],
      ['unpin', 'admin.token', behind, 'app:1', 'done', 1],
      ['pin', 'admin.token', here, 'app:1', 'done', 1],
      ['login', 'ci', here, 'registry', 'refused', 5],
    ],
  )
  const lines = proxy.log.filter(({ msg }) => msg === 'audit')
  assert.equal(lines.length, audit.length)
  assert.deepEqual(
    lines.filter(({ level }) => level === 40).map(({ action }) => action),
    ['login', 'login'],
  )
  assert.ok(!JSON.stringify(proxy.log).includes('wrong'))
})

test('the trail is bounded, whoever fills it', () => {
  const trail = auditTrail({ log: { info() {}, warn() {} }, now: () => 0 })
  const long = 'x'.repeat(100_000)
  for (let i = 0; i < 2_000; i++)
    trail.record({ action: 'login', by: `${i}${long}`, from: long, target: 'registry', result: 'refused' })
  assert.equal(trail.list().length, 1_000)
  assert.ok(JSON.stringify(trail.list()).length < 1_000_000)
})
