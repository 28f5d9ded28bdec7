import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reloadedConfig } from '../../src/config/reload.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { load } from './folder.ts'

test('FR-46: what can change does, the rest stays and is named', async (t) => {
  const running = await load(t, 'admin: { port: 1, token: a-token-of-the-operator }\nlog: { format: json }')
  const next = await load(
    t,
    `
listen: { port: 5002, tls: { cert: a.crt, key: a.key } }
admin: { port: 1, token: another-token-of-the-operator }
storage: { root: ${running.storage.root}, maxSize: 1GiB }
cache: { ttl: 1d, pin: [node] }
transfers: { connections: 2 }
shutdown: { grace: 1s }
access: { networks: [10.0.0.0/8] }
log: { level: debug, format: pretty }
upstreams: { r: {} }
`,
    { files: certificate() },
  )
  const { config, needRestart } = reloadedConfig(running, next)
  assert.deepEqual(needRestart, ['listen.port', 'listen.tls', 'admin.token', 'storage.maxSize', 'log.format'])
  const { listen, admin, storage, log, ...rest } = config
  assert.deepEqual([listen, admin, storage], [running.listen, running.admin, running.storage])
  assert.deepEqual(log, { ...next.log, format: 'json' })
  for (const [key, value] of Object.entries(rest)) assert.equal(value, next[key as keyof typeof next], key)
})

test('FR-46: nothing needs a restart where nothing has changed, or a file that is followed', async (t) => {
  const files = { ...certificate(), token: 'a-token-of-the-operator' }
  const yaml =
    'listen: { tls: { cert: a.crt, key: a.key } }\nadmin: { tokenFile: token }\nstorage: { root: /srv }'
  const running = await load(t, yaml, { files })
  const at = (path: string) => ({ path, text: 'changed' })
  assert.ok(running.listen.tls && running.admin && running.admin.tokenFile)
  const { cert, key } = running.listen.tls
  const next = {
    ...running,
    listen: { ...running.listen, tls: { cert: at(cert.path), key: at(key.path) } },
    admin: { ...running.admin, token: 'changed', tokenFile: at(running.admin.tokenFile.path) },
  }
  assert.deepEqual(reloadedConfig(running, next).needRestart, [])
})

function certificate(): Record<string, string> {
  const { cert, key } = selfSignedCertificate()
  return { 'a.crt': cert, 'a.key': key }
}
