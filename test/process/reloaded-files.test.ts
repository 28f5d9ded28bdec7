/** Files that are read again are validated as at the start: an empty one is refused, and the old one stays. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { authority, type Pair } from '../support/certificates.ts'
import { eventually } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

const ca = authority()
const [company, foreign] = [ca.client('/CN=ci-7'), authority('Another').client('/CN=ci-7')]
const user = `ci:${hashSync('secret', 4)}\n`

async function statusOf(port: number, client: Pair, password = 'secret'): Promise<number | string> {
  const headers = { authorization: `Basic ${btoa(`ci:${password}`)}` }
  const request = get({
    port,
    host: '127.0.0.1',
    path: '/v2/',
    headers,
    ca: ca.cert,
    agent: false,
    ...client,
  })
  try {
    const [response] = await once(request, 'response')
    response.resume()
    return response.statusCode
  } catch {
    return 'refused'
  }
}

test('SEC-88: an emptied, truncated or wrong file is refused and told, and what was before holds', async (t) => {
  await using folder = await tempFolder()
  const at = (name: string) => join(folder.path, name)
  const own = ca.server()
  const good = { 'ca.pem': ca.cert, 'tls.crt': own.cert, 'tls.key': own.key, users: user }
  for (const [name, text] of Object.entries(good)) await writeFile(at(name), text)
  const config = {
    listen: { host: '127.0.0.1', port: 0, tls: { cert: 'tls.crt', key: 'tls.key', clientCa: 'ca.pem' } },
    access: { htpasswd: 'users' },
  }
  mock.timers.enable({ apis: ['setInterval'] })
  await using proxy = await startProxy({
    upstream: { url: 'http://127.0.0.1:1' },
    folder: folder.path,
    config,
  })
  const tick = () => mock.timers.tick(2_000)
  t.after(() => mock.timers.reset())
  const refusals = () => proxy.log.filter(({ msg }) => String(msg).startsWith('reload failed')).length
  const reloads = () => proxy.log.filter(({ msg }) => msg === 'reloaded').length
  const bad: readonly (readonly [name: keyof typeof good, text: string])[] = [
    ['ca.pem', ''],
    ['ca.pem', 'garbage\n'],
    ['ca.pem', ca.cert + ca.cert.slice(0, 200)],
    ['tls.crt', ''],
    ['tls.key', ''],
    ['tls.key', ca.server().key],
    ['users', ''],
    ['users', 'ci:plain\n'],
  ]
  for (const [name, text] of bad) {
    const [refusedBefore, reloadedBefore] = [refusals(), reloads()]
    await writeFile(at(name), text)
    await eventually(() => (tick(), refusals() > refusedBefore)).catch(() =>
      assert.fail(`${name} ${text.slice(0, 30)}`),
    )
    assert.equal(await statusOf(proxy.port, company), 200, `${name} ${text.slice(0, 10)}`)
    assert.equal(await statusOf(proxy.port, foreign), 'refused', `${name} ${text.slice(0, 10)}`)
    await writeFile(at(name), good[name])
    await eventually(() => (tick(), reloads() > reloadedBefore))
  }
})
