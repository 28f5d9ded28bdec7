import assert from 'node:assert/strict'
import { chmod, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load-config.ts'
import { exposedSecrets } from '../../src/config/exposed-secrets.ts'
import { folderOf } from './folder.ts'

test('SEC-96: secret files that every user may change or read are told', async (t) => {
  const yaml = `
admin: { tokenFile: token }
upstreams:
  a: { username: u, passwordFile: a }
  b: { username: u, passwordFile: b }
  c: { username: u, passwordFile: c }
  d: { username: u, passwordFile: d }
  f: { credentials: [{ match: org/*, username: u, passwordFile: f }] }
`
  const token = 'a-token-of-the-operator'
  const files = { 'proxy.config.yaml': yaml, token, a: 'a', b: 'b', c: 'c', e: 'e', f: 'f' }
  const folder = await folderOf(t, files)
  await symlink('e', join(folder, 'd'))
  for (const [name, mode] of Object.entries({
    token: 0o666,
    a: 0o644,
    b: 0o600,
    c: 0o444,
    e: 0o644,
    f: 0o604,
  }))
    await chmod(join(folder, name), mode)
  const config = await loadConfig({ file: join(folder, 'proxy.config.yaml'), env: {}, required: true })
  assert.deepEqual(await exposedSecrets(config), [
    `${join(folder, 'token')} may be changed by every user (mode 666): chmod 600`,
    `${join(folder, 'a')} may be read by every user (mode 644): chmod 600`,
    `${join(folder, 'f')} may be read by every user (mode 604): chmod 600`,
  ])
})
