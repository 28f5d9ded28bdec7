/** Registries that ask for a password, or for tokens that are had for one, and a proxy that has the password from a file. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { faultLink } from '../support/fault-link.ts'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { blobUrl, download } from './support/download.ts'
import { htpasswdRegistry, tokenRegistry, type TokenRegistry, USER } from './support/guarded-registry.ts'
import { flags, missing, succeed } from './support/processes.ts'
import { type ProxyProcess, proxyProcess } from './support/proxy-process.ts'
import { refusalIn } from './support/refusals.ts'
import { pullWithSkopeo } from './support/skopeo.ts'

const KiB = 1024
const PASSWORD = 'first pass'
const skip = missing('docker-registry', 'skopeo', 'openssl')

/** A registry and a proxy in front of it, which has `password` for it. */
async function scene(kind: 'htpasswd' | 'token', password: string) {
  await using starting = new AsyncDisposableStack()
  const folder = starting.use(await tempFolder())
  const passwordFile = join(folder.path, 'password')
  const setPassword = (text: string) => writeFile(passwordFile, `${text}\n`)
  await setPassword(password)
  const options = { password: PASSWORD, layers: { count: 2, size: 20 * KiB } }
  const place = join(folder.path, 'registry')
  const tokens = kind === 'token' ? starting.use(await tokenRegistry(place, options)) : undefined
  const upstream = tokens ?? starting.use(await htpasswdRegistry(place, options))
  const { registry, tokenRealms, image, layers } = upstream
  const proxy = starting.use(
    await proxyProcess(join(folder.path, 'proxy'), registry.url, {
      upstreams: { 'docker.io': { url: registry.url, tokenRealms, username: USER, passwordFile } },
    }),
  )
  const running = starting.move()
  return {
    ...{ upstream, registry, proxy, layers, setPassword },
    pull: () => pullWithSkopeo(folder.path, proxy.authority, image),
    async assertDenied(...paths: readonly string[]) {
      for (const path of paths) {
        const refusal = await refusalIn(await fetch(`${proxy.url}/v2/library/app/${path}`))
        assert.deepEqual(refusal, { status: 404, upstream: 'docker.io', reason: 'DENIED' })
      }
    },
    /** The password that was good is so no more, nor is what was had for it. */
    async rotate(password: string) {
      await upstream.setPassword(password)
      if (tokens) await newestTokenIsOver(tokens)
    },
    assertNeverAnonymous() {
      assert.deepEqual(tokens?.tokens.requests.filter(({ user }) => user !== USER) ?? [], [])
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

for (const kind of ['htpasswd', 'token'] as const) {
  suite(`an upstream with ${kind} authentication`, { skip }, () => {
    test('SEC-09 SEC-60 a wrong password is an error that names the upstream, until it is mended', async () => {
      await using place = await scene(kind, 'mistyped pass')
      const { registry, proxy, layers, setPassword, pull, assertDenied, assertNeverAnonymous } = place
      await registry.forget()
      await assertDenied('manifests/private', `blobs/${layers[0]}`)
      assert.notEqual((await pull()).code, 0)
      assert.ok((await registry.requests()).every(({ status }) => status === 401))
      await setPassword(PASSWORD)
      await (await pull()).assertWhole()
      assertNeverAnonymous()
      assertSilent(proxy)
    })

    test('a rotated password is one too, until the proxy is given the new one', async () => {
      await using place = await scene(kind, PASSWORD)
      const { proxy, layers, setPassword, pull, rotate, assertDenied, assertNeverAnonymous } = place
      const [one, two] = layers
      assert.equal((await download(blobUrl(proxy, one!))).digest, one)
      await rotate('second pass')
      await assertDenied('manifests/private', `blobs/${two}`)
      await setPassword('second pass')
      await (await pull()).assertWhole()
      assertNeverAnonymous()
      assertSilent(proxy)
    })
  })
}

suite('what `skopeo login` wrote', { skip }, () => {
  test('opens an upstream, and so does what it wrote when the password was another', async () => {
    await using folder = await tempFolder()
    const options = { password: PASSWORD, layers: { count: 2, size: 20 * KiB } }
    await using upstream = await htpasswdRegistry(join(folder.path, 'registry'), options)
    const { registry, layers, image } = upstream
    const dockerConfig = join(folder.path, 'config.json')
    const login = (password: string) => {
      const how = flags({ 'tls-verify': false, authfile: dockerConfig, username: USER, password })
      return succeed('skopeo', ['login', ...how, registry.authority])
    }
    await login(PASSWORD)
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), registry.url, {
      upstreams: { 'docker.io': { url: registry.url, dockerConfig } },
    })
    assert.equal((await download(blobUrl(proxy, layers[0]!))).status, 200)
    await upstream.setPassword('second pass')
    assert.equal((await refusalIn(await fetch(blobUrl(proxy, layers[1]!)))).reason, 'DENIED')
    await login('second pass')
    await (await pullWithSkopeo(folder.path, proxy.authority, image)).assertWhole()
    assertSilent(proxy)
  })
})

suite('an upstream whose tokens end while clients pull', { skip }, () => {
  test('many questions at once cost one token, and one more when it is over', async () => {
    await using folder = await tempFolder()
    const options = { password: PASSWORD, layers: { count: 24, size: 20 * KiB } }
    await using upstream = await tokenRegistry(join(folder.path, 'registry'), options)
    const { registry, layers, tokens } = upstream
    await using proxy = await proxyInFrontOf(upstream, registry.url, folder.path)
    const pull = async (part: readonly Digest[]) => {
      const done = await Promise.all(part.map((layer) => download(blobUrl(proxy, layer))))
      assert.deepEqual(
        done.map(({ status, digest }) => ({ status, digest })),
        part.map((digest) => ({ status: 200, digest })),
      )
    }
    const one = { user: USER, scope: 'repository:library/app:pull', status: 200 }
    await pull(layers.slice(0, 12))
    assert.deepEqual(tokens.requests, [one])
    await newestTokenIsOver(upstream)
    await registry.forget()
    await pull(layers.slice(12))
    assert.deepEqual(tokens.requests, [one, one])
    assert.ok((await registry.requests()).some(({ status }) => status === 401))
    assertSilent(proxy)
  })

  test('skopeo does not notice that its pull takes longer than a token lives', async (t) => {
    await using folder = await tempFolder()
    const options = { password: PASSWORD, layers: { count: 6, size: 256 * KiB } }
    await using upstream = await tokenRegistry(join(folder.path, 'registry'), options)
    const { registry, image, tokens } = upstream
    // A second for each layer, and skopeo asks for one after the other where it writes a folder.
    await using slow = await faultLink(registry.url, { bytesPerSecond: 256 * KiB })
    await using proxy = await proxyInFrontOf(upstream, slow.url, folder.path)
    const begun = performance.now()
    await (await pullWithSkopeo(folder.path, proxy.authority, image)).assertWhole()
    const seconds = (performance.now() - begun) / 1000
    t.diagnostic(`${tokens.requests.length} tokens in ${seconds.toFixed(1)} s`)
    assert.ok(tokens.requests.length >= 2, 'the pull was over before its first token')
    // None is replaced before it is over, after two seconds at least.
    assert.ok(tokens.requests.length <= 1 + seconds / 2, `${tokens.requests.length} in ${seconds} s`)
    assert.ok(tokens.requests.every(({ user, status }) => user === USER && status === 200))
    assertSilent(proxy)
  })
})

function proxyInFrontOf({ tokenRealms }: TokenRegistry, url: string, folder: string): Promise<ProxyProcess> {
  return proxyProcess(join(folder, 'proxy'), url, {
    upstreams: { 'docker.io': { url, tokenRealms, username: USER, password: PASSWORD } },
  })
}

/** Registries go by their own clock: waits until this one takes its newest token no more. */
async function newestTokenIsOver({ registry, tokens }: TokenRegistry): Promise<void> {
  const headers = { authorization: `Bearer ${tokens.tokens.at(-1)}` }
  await eventually(async () => (await fetch(`${registry.url}/v2/`, { headers })).status === 401, 10_000)
}

/** Nothing of what is secret is in what it printed. */
function assertSilent({ program }: ProxyProcess): void {
  const secret = /\b(?:first|second|mistyped) pass|Basic [\w+/]|eyJ/
  assert.deepEqual(
    program.lines.filter((line) => secret.test(line)),
    [],
  )
}
