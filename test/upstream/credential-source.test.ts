import assert from 'node:assert/strict'
import { chmod, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  credentialSource,
  type CredentialSourceOptions,
} from '../../src/upstream/credentials/credential-source.ts'
import { nodeTrust } from '../../src/upstream/net/trust-store.ts'
import { helperEnvironment } from '../../src/upstream/credentials/helper-environment.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { assertFails, type Connected, connectTo } from './setup.ts'

const { bytes, digest } = blobOf(1000)

interface Setting {
  /** Whom the upstream lets in; the test may change it. */
  readonly auth: { scheme: 'basic' | 'bearer'; username: string; password: string; identityToken?: string }
  readonly upstream: FakeUpstream
  readonly folder: string
  /** Told of problems that did not stop a pull. */
  readonly problems: string[]
  readonly clock: { now: number }
  connect(options: Partial<CredentialSourceOptions>): Connected
}

async function setting(t: TestContext, scheme: 'basic' | 'bearer' = 'basic'): Promise<Setting> {
  const auth = { scheme, username: 'ci', password: 'one' }
  const temp = await tempFolder()
  const upstream = await fakeUpstream({ auth })
  upstream.addBlob(bytes)
  t.after(() => Promise.all([temp[Symbol.asyncDispose](), upstream[Symbol.asyncDispose]()]))
  const problems: string[] = []
  const clock = { now: 0 }
  return {
    auth,
    upstream,
    folder: temp.path,
    problems,
    clock,
    connect(options) {
      const client = connectTo(upstream.url, {
        credentials: credentialSource({
          upstream: 'up',
          url: upstream.url,
          env: { PATH: `${temp.path}:/usr/bin:/bin`, HOME: temp.path },
          trust: nodeTrust(),
          signal: new AbortController().signal,
          failed: (error) => void problems.push((error as Error).message),
          now: () => clock.now,
          ...options,
        }),
      })
      t.after(() => client[Symbol.asyncDispose]())
      return client
    },
  }
}

const pull = (client: Connected) => client.repository().statBlob(digest)

for (const scheme of ['basic', 'bearer'] as const) {
  test(`F16 a rotated password file is read again without a restart: ${scheme}`, async (t) => {
    const { auth, upstream, folder, connect } = await setting(t, scheme)
    const passwordFile = join(folder, 'password')
    await writeFile(passwordFile, 'one\n')
    const client = connect({ login: { username: 'ci', password: 'one', passwordFile } })
    assert.ok(await pull(client))
    auth.password = 'two'
    upstream.revokeTokens()
    await assertFails(pull(client), 'UPSTREAM_DENIED', { status: 401 })
    await writeFile(join(folder, 'next'), 'two\n')
    await rename(join(folder, 'next'), passwordFile)
    assert.ok(await pull(client))
  })
}

test('a password file that is gone or empty for a moment does not take away what was read', async (t) => {
  const { folder, problems, connect } = await setting(t)
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, 'one')
  const client = connect({ login: { username: 'ci', password: 'one', passwordFile } })
  assert.ok(await pull(client))
  await writeFile(passwordFile, '')
  assert.ok(await pull(client))
  await rm(passwordFile)
  assert.ok(await pull(client))
  assert.ok(await pull(client))
  assert.deepEqual(problems, [
    'the password file is empty or malformed',
    'the password file cannot be read: ENOENT',
  ])
})

test('credentials that cannot be had fail the pull, name the upstream, and are never left out', async (t) => {
  const { upstream, folder, connect } = await setting(t)
  const client = connect({ login: { username: 'ci', password: '', passwordFile: join(folder, 'absent') } })
  const reason = 'the password file cannot be read: ENOENT'
  await assertFails(pull(client), 'UPSTREAM_UNAVAILABLE', { reason })
  await assertFails(connect({ helper: 'absent' }).repository().resolve('v1'), 'UPSTREAM_UNAVAILABLE', {
    reason: 'docker-credential-absent cannot be run: ENOENT',
  })
  assert.ok(upstream.requests.every(({ headers }) => headers['authorization'] === undefined))
  await writeFile(join(folder, 'absent'), 'one')
  assert.ok(await pull(client))
})

/** A helper named `test` that gives what is in the file `secret`. */
async function installHelper(folder: string, secret: string): Promise<void> {
  const script = `#!/bin/sh\necho >>$HOME/runs\nprintf '{"Username":"ci","Secret":"%s"}' "$(cat $HOME/secret)"\n`
  await writeFile(join(folder, 'docker-credential-test'), script)
  await chmod(join(folder, 'docker-credential-test'), 0o755)
  await writeFile(join(folder, 'secret'), secret)
}

test('F16 a helper is asked again when upstream refuses what it gave', async (t) => {
  const { auth, folder, clock, connect } = await setting(t)
  await installHelper(folder, 'one')
  const client = connect({ helper: 'test' })
  assert.ok(await pull(client))
  auth.password = 'two'
  await writeFile(join(folder, 'secret'), 'two')
  clock.now += 5_000
  assert.ok(await pull(client))
})

test('an identity token is exchanged by POST', async (t) => {
  const { auth, upstream, folder, connect } = await setting(t, 'bearer')
  auth.identityToken = 'id-t0ken'
  const dockerConfig = join(folder, 'config.json')
  await writeFile(
    dockerConfig,
    JSON.stringify({ auths: { [upstream.authority]: { identitytoken: 'id-t0ken' } } }),
  )
  assert.ok(await pull(connect({ dockerConfig })))
  const [request] = upstream.find('POST', '/token')
  assert.equal(request?.headers['authorization'], undefined)
  assert.equal(request?.target, '/token')
  assert.deepEqual(Object.fromEntries(new URLSearchParams(request.body)), {
    grant_type: 'refresh_token',
    client_id: 'entrepot',
    service: 'fake',
    scope: 'repository:app:pull',
    refresh_token: 'id-t0ken',
  })
  assert.equal(upstream.count('GET', '/token'), 0)
})

test('an identity token is not given to an upstream that wants a password', async (t) => {
  const { upstream, folder, connect } = await setting(t, 'basic')
  const dockerConfig = join(folder, 'config.json')
  await writeFile(dockerConfig, JSON.stringify({ auths: { [upstream.authority]: { identitytoken: 'id' } } }))
  const reason = 'an identity token cannot be used as a password'
  await assertFails(pull(connect({ dockerConfig })), 'UPSTREAM_DENIED', { reason })
})

test('a docker config is read again when it changes, and its helpers are run', async (t) => {
  const { auth, upstream, folder, connect } = await setting(t)
  const dockerConfig = join(folder, 'config.json')
  const put = (config: object) => writeFile(dockerConfig, JSON.stringify(config))
  const authOf = (password: string) => ({ auth: Buffer.from(`ci:${password}`).toString('base64') })
  await put({ auths: { 'other.example': authOf('one') } })
  const client = connect({ dockerConfig })
  const reason = `no credentials found for ${upstream.authority}`
  await assertFails(pull(client), 'UPSTREAM_UNAVAILABLE', { reason })
  await put({ auths: { [upstream.authority]: authOf('one') } })
  assert.ok(await pull(client))
  auth.password = 'two'
  await installHelper(folder, 'two')
  await put({ auths: { [upstream.authority]: authOf('one') }, credHelpers: { [upstream.authority]: 'test' } })
  assert.ok(await pull(client))
})

test('a credsStore that does not have the registry leaves it to auths', async (t) => {
  const { upstream, folder, connect } = await setting(t)
  const script = '#!/bin/sh\necho credentials not found in native keychain; exit 1\n'
  await writeFile(join(folder, 'docker-credential-test'), script)
  await chmod(join(folder, 'docker-credential-test'), 0o755)
  const dockerConfig = join(folder, 'config.json')
  const auths = { [upstream.authority]: { username: 'ci', password: 'one' } }
  await writeFile(dockerConfig, JSON.stringify({ auths, credsStore: 'test' }))
  assert.ok(await pull(connect({ dockerConfig })))
})

test('SEC-96 a helper gets what helpers read from the environment, and not the other secrets in it', () => {
  const env = helperEnvironment({
    PATH: '/bin',
    HOME: '/root',
    AWS_PROFILE: 'ci',
    https_proxy: 'http://proxy',
    HUB_TOKEN: 's3cret',
    ENTREPOT_ADMIN_TOKEN: 's3cret',
    PASSWORDS: 's3cret',
  })
  assert.deepEqual(env, { PATH: '/bin', HOME: '/root', AWS_PROFILE: 'ci', https_proxy: 'http://proxy' })
})
