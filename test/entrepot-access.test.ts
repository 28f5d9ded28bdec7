/** Who may use the whole proxy, from its configuration file on: what is read again, what is said at start, who is let in. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { Agent, type ClientRequestArgs, type IncomingMessage, request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { authority } from './support/certificates.ts'
import { type FakeUpstream, fakeUpstream } from './support/fake-upstream.ts'
import { eventually, manifestOf } from './support/fixtures.ts'
import { AUDIENCE, issuer, ISSUER } from './support/issuer.ts'
import { call } from './support/raw-client.ts'
import { startProxy } from './support/proxy.ts'
import { tempFolder } from './support/temp-folder.ts'

const MANIFEST = '/v2/library/app/manifests/latest'
const ca = authority()

/** Longer than it takes until a file is read again. */
const READ_AGAIN = 15_000

interface Ask extends ClientRequestArgs {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly body?: string
}

interface Answer {
  readonly status: number
  readonly text: string
}

async function answer(url: string, { body, ...options }: Ask = {}): Promise<Answer> {
  const asked = (url.startsWith('https') ? tlsRequest : request)(url, { agent: false, ...options })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, text: Buffer.concat(await response.toArray()).toString() }
}

async function status(url: string, options?: Ask): Promise<number> {
  return (await answer(url, options)).status
}

const said = (log: readonly Record<string, unknown>[], listener: string) =>
  log.find((entry) => entry['msg'] === 'listening' && entry['listener'] === listener)

function addImage(upstream: FakeUpstream): void {
  upstream.addManifest('library/app', 'latest', manifestOf([]), OCI_MANIFEST)
}

/** As tools do it, so that nobody reads half a file. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

suite('the whole proxy', { concurrency: true }, () => {
  test('rules of who may pull, and of what may be pulled, take the names that Docker takes', async () => {
    await using upstream = await fakeUpstream()
    for (const name of ['library/app', 'library/secret', 'org/app'])
      upstream.addManifest(name, 'latest', manifestOf([]), OCI_MANIFEST)
    const of = (name: string): string => `/v2/${name}/manifests/latest`
    for (const repositories of [['app'], ['docker.io/app', 'docker.io/library/secret'], ['library/*']]) {
      await using proxy = await startProxy({
        upstream,
        upstreamConfig: { allow: ['app', 'docker.io/library/*', 'org/*'], deny: ['secret'] },
        config: { access: { rules: [{ repositories }] } },
      })
      const statuses = ['app', 'secret', 'org/app'].map((name) => status(proxy.url + of(name)))
      assert.deepEqual(await Promise.all(statuses), [200, 403, 403], repositories.join())
    }
  })

  test('without access: open to all who reach it, and said so', async () => {
    await using upstream = await fakeUpstream()
    addImage(upstream)
    await using proxy = await startProxy({ upstream })
    assert.deepEqual(said(proxy.log, 'registry')?.['access'], { pull: 'everyone', tls: false })
    assert.equal(await status(proxy.url + MANIFEST), 200)
  })

  test('a password file is read again when it changes, and a broken one is not believed', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    addImage(upstream)
    const file = join(folder.path, 'users')
    await writeFile(file, `ci-7:${hashSync('old', 4)}\n`)
    await using proxy = await startProxy({ upstream, config: { access: { htpasswd: file } } })
    const access = said(proxy.log, 'registry')?.['access'] as Record<string, unknown>
    assert.deepEqual(
      [access['pull'], access['warning']],
      ['clients with a password', 'passwords cross the network in clear'],
    )
    const by = (password: string) => status(proxy.url + MANIFEST, { auth: `ci-7:${password}` })
    assert.equal(await status(proxy.url + MANIFEST), 401)
    assert.deepEqual(upstream.requests, [])
    assert.equal(await by('old'), 200)
    await replace(file, 'ci-7:plain\n')
    await eventually(() => proxy.log.some(({ level }) => level === 50), READ_AGAIN)
    assert.equal(await by('old'), 200)
    await replace(file, `ci-7:${hashSync('new', 4)}\n`)
    await eventually(async () => (await by('new')) === 200, READ_AGAIN)
    assert.equal(await by('old'), 401)
    assert.doesNotMatch(JSON.stringify(proxy.log), /\$2[aby]\$|plain|"old"/)
  })

  test('SEC-87: names of upstreams and rules are told after the login', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    const file = join(folder.path, 'users')
    await writeFile(file, `ci-7:${hashSync('secret', 4)}\n`)
    const access = { htpasswd: file, rules: [{ repositories: ['docker.io/**'] }] }
    await using proxy = await startProxy({
      upstream,
      config: { access },
      upstreamConfig: { deny: ['vault/*'] },
    })
    const known = [`Authorization: Basic ${btoa('ci-7:secret')}`]
    for (const [path, status] of [
      ['/v2/app/manifests/latest?ns=unknown.example', 404],
      ['/v2/unknown.example/app/manifests/latest', 404],
      ['/v2/vault/app/manifests/latest', 403],
    ] as const) {
      const anonymous = await call(proxy.port, 'GET', path)
      assert.equal(anonymous.status, 401, path)
      assert.doesNotMatch(anonymous.body.toString(), /deny|vault|unknown|docker/)
      const identified = await call(proxy.port, 'GET', path, known)
      assert.equal(identified.status, status, path)
      assert.match(identified.body.toString(), /vault|unknown\.example/)
    }
    assert.equal((await call(proxy.port, 'GET', '/v2/open/manifests/latest')).status, 404, 'open to everyone')
  })

  test('SEC-87: where rules know clients by an optional certificate, nothing is told without one', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    addImage(upstream)
    const [cert, key, clientCa] = ['tls.crt', 'tls.key', 'clients.crt'].map((name) => join(folder.path, name))
    const server = ca.server()
    await writeFile(cert!, server.cert)
    await writeFile(key!, server.key)
    await writeFile(clientCa!, ca.cert)
    const rules = [{ identity: 'cert:*', repositories: ['**'] }, { repositories: ['docker.io/library/*'] }]
    await using proxy = await startProxy({
      upstream,
      config: {
        listen: { host: '127.0.0.1', port: 0, tls: { cert, key, clientCa, clientAuth: 'optional' } },
        access: { rules },
      },
      upstreamConfig: { deny: ['vault/*'] },
    })
    const client = ca.client('/CN=ci-7')
    for (const [path, expected] of [
      ['/v2/app/manifests/latest?ns=unknown.example', 404],
      ['/v2/unknown.example/app/manifests/latest', 404],
      ['/v2/vault/app/manifests/latest', 403],
    ] as const) {
      const anonymous = await answer(proxy.url + path, { ca: ca.cert })
      assert.equal(anonymous.status, 403, path)
      assert.doesNotMatch(anonymous.text, /deny|vault|unknown|docker/)
      const known = await answer(proxy.url + path, { ca: ca.cert, ...client })
      assert.equal(known.status, expected, path)
      assert.match(known.text, /vault|unknown\.example/)
    }
    assert.equal(await status(proxy.url + MANIFEST, { ca: ca.cert }), 200, 'a rule for everybody')
    assert.equal(await status(`${proxy.url}/v2/org/app/manifests/latest`, { ca: ca.cert }), 403)
    assert.equal(await status(`${proxy.url}/v2/org/app/manifests/latest`, { ca: ca.cert, ...client }), 404)
  })

  test('certificates are read again when they change, on both listeners', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    addImage(upstream)
    const [cert, key, clientCa] = ['tls.crt', 'tls.key', 'clients.crt'].map((name) => join(folder.path, name))
    const old = ca.server()
    await writeFile(cert!, old.cert)
    await writeFile(key!, old.key)
    await writeFile(clientCa!, ca.cert)
    await using proxy = await startProxy({
      upstream,
      config: {
        listen: { host: '127.0.0.1', port: 0, tls: { cert, key, clientCa } },
        admin: { host: '127.0.0.1', port: 0, tls: { cert, key } },
      },
    })
    const client = ca.client('/CN=ci-7')
    assert.equal(await status(proxy.url + MANIFEST, { ca: ca.cert, ...client }), 200)
    assert.equal(await status(`${proxy.adminUrl}/healthz`, { ca: ca.cert }), 200)
    await assert.rejects(status(proxy.url + MANIFEST, { ca: ca.cert }))

    const other = authority('Another')
    const next = other.server()
    await replace(cert!, next.cert)
    await eventually(() => proxy.log.some(({ level }) => level === 50), READ_AGAIN)
    assert.equal(
      await status(proxy.url + MANIFEST, { ca: ca.cert, ...client }),
      200,
      'the old pair still holds',
    )
    await replace(key!, next.key)
    await replace(clientCa!, other.cert)
    const newClient = other.client('/CN=ci-8')
    const isNew = (url: string, pair = {}) =>
      eventually(
        () =>
          status(url, { ca: other.cert, ...pair }).then(
            (code) => code === 200,
            () => false,
          ),
        READ_AGAIN,
      )
    await isNew(`${proxy.adminUrl}/healthz`)
    await isNew(proxy.url + MANIFEST, newClient)
    await assert.rejects(status(proxy.url + MANIFEST, { ca: other.cert, ...client }))
  })

  test('a rule by the name in a client certificate, and by token', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    addImage(upstream)
    await using from = await issuer()
    const pair = ca.server()
    const files = { 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': ca.cert }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text)
    const [cert, key, clientCa] = Object.keys(files).map((name) => join(folder.path, name))
    const tls = { cert, key, clientCa, clientAuth: 'optional' }
    await using proxy = await startProxy({
      upstream,
      config: {
        listen: { host: '127.0.0.1', port: 0, tls },
        access: {
          oidc: { issuer: ISSUER, audience: AUDIENCE, jwks: from.jwks },
          rules: [
            { identity: 'cert:ci-*', repositories: ['docker.io/library/app'] },
            { identity: 'oidc:ci-*', repositories: ['docker.io/library/*'] },
          ],
        },
      },
    })
    const ask = (options: Ask) => status(proxy.url + MANIFEST, { ca: ca.cert, ...options })
    const authorization = `Bearer ${await from.token()}`
    assert.equal(await ask(ca.client('/CN=ci-7')), 200)
    assert.equal(await ask(ca.client('/CN=other')), 403)
    assert.equal(await ask({}), 401)
    assert.equal(await ask({ headers: { authorization } }), 200)
    assert.equal(await ask({ auth: `oidc:${await from.token()}` }), 200)
    assert.equal(await ask({ auth: `ci-7:${await from.token()}` }), 401, 'the user says that it is a token')
    assert.equal(await ask({ headers: { authorization: `${authorization}x` } }), 401)
    assert.equal(await ask({ headers: { authorization: `Bearer ${await from.token({ sub: 'x' })}` } }), 403)
    assert.equal(
      await ask({ headers: { authorization: `Bearer ${await from.token({ sub: 'cert:ci-1' })}` } }),
      403,
    )
    assert.ok(upstream.requests.every(({ headers }) => headers.authorization === undefined))
  })

  test('connections of one address are limited, those of trusted proxies are not', async () => {
    await using upstream = await fakeUpstream()
    const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
    const open = async (listen: object, access: object) => {
      await using proxy = await startProxy({
        upstream,
        config: { listen: { host: '127.0.0.1', port: 0, ...listen }, access },
      })
      const asked = Array.from({ length: 8 }, () => status(`${proxy.url}/v2/`, { agent }))
      const outcomes = await Promise.allSettled(asked)
      const served = outcomes.filter((outcome) => outcome.status === 'fulfilled').length
      agent.destroy()
      await eventually(async () => (await status(`${proxy.url}/v2/`).catch(() => 0)) === 200)
      return served
    }
    assert.equal(await open({ maxConnectionsPerAddress: 5 }, {}), 5)
    assert.equal(await open({ maxConnections: 5 }, {}), 5)
    assert.equal(await open({ maxConnectionsPerAddress: 5 }, { trustedProxies: ['127.0.0.1'] }), 8)
  })

  test('the admin listener writes for others with the token only, which is read again when it changes', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    const tokenFile = join(folder.path, 'token')
    await writeFile(tokenFile, 'the-first-token-of-all\n')
    await using proxy = await startProxy({
      upstream,
      config: { admin: { host: '127.0.0.1', port: 0, tokenFile } },
    })
    const write = (token: string) =>
      status(`${proxy.adminUrl}/api/v1/nothing`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', via: '1.1 proxy', authorization: `Bearer ${token}` },
      })
    assert.equal(await write('the-first-token-of-all'), 404)
    assert.equal(await write('the-second-token-of-all'), 401)
    await replace(tokenFile, 'the-second-token-of-all')
    await eventually(async () => (await write('the-second-token-of-all')) === 404, READ_AGAIN)
    assert.equal(await write('the-first-token-of-all'), 401)
    assert.equal(await status(`${proxy.adminUrl}/api/v1/pins`, { headers: { host: 'evil.example' } }), 421)
    assert.equal(await status(`${proxy.adminUrl}/metrics`, { headers: { host: 'entrepot.prod.svc' } }), 200)
  })
})
