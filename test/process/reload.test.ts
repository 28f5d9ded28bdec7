/** SIGHUP: the configuration is read again while the process runs. */
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { fakeRegistry } from '../support/registries/fake-registry.ts'
import { organisationLogins } from '../support/registries/organisations.ts'
import { type Service, startService } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'

const MiB = 1024 * 1024
const RELOADED = 'configuration reloaded'
const KEPT = 'configuration not reloaded, keeping the previous one'

/** Signals, and waits until the log says what came of it. */
async function reload(service: Service, outcome: string): Promise<void> {
  const count = () => service.log().filter(({ msg }) => msg === outcome).length
  const before = count()
  service.signal('SIGHUP')
  await eventually(() => count() > before, 20_000)
}

const layer = blobOf(1000)
const image = (note: string) => manifestOf([layer.bytes], { annotations: { note } })

suite('FR-46: SIGHUP reloads the configuration', () => {
  test('an upstream is added, another one removed; a download of it is finished', async () => {
    await using folder = await tempFolder()
    await using old = await fakeUpstream({ bytesPerSecond: 2 * MiB })
    await using added = await fakeUpstream()
    const { bytes, digest } = blobOf(6 * MiB)
    old.addBlob(bytes)
    added.addManifest('app', 'latest', image('added'), OCI_MANIFEST)
    await using service = await startService({
      folder: folder.path,
      config: { upstreams: { 'old.test': { url: old.url } } },
    })
    using client = await RawClient.connect(service.port)
    client.request('GET', `/v2/old.test/app/blobs/${digest}`)
    await client.received(100_000)
    await service.configure({ upstreams: { 'added.test': { url: added.url } } })
    await reload(service, RELOADED)
    const { audit } = (await (await fetch(`${service.adminUrl}/api/v1/audit`)).json()) as {
      readonly audit: readonly { readonly action: string; readonly result: string }[]
    }
    assert.deepEqual(
      audit.map(({ action, result }) => [action, result]),
      [['reload', 'done']],
    )
    assert.equal((await call(service.port, 'GET', '/v2/added.test/app/manifests/latest')).status, 200)
    assert.equal((await call(service.port, 'GET', '/v2/app/manifests/latest')).status, 200, 'the default')
    assert.equal((await call(service.port, 'GET', '/v2/app/manifests/latest?ns=old.test')).status, 404)
    assert.equal(digestOf((await client.response()).body), digest)
    const { upstreams } = (await (await fetch(`${service.adminUrl}/api/v1/upstreams`)).json()) as {
      upstreams: { name: string }[]
    }
    assert.deepEqual(
      upstreams.map(({ name }) => name),
      ['added.test'],
    )
    service.signal('SIGTERM')
    assert.equal((await service.exited).code, 0)
  })

  test('credentials by repository change, and the status tells whether they are accepted', async () => {
    const logins = { 'org-a': 'a:new' }
    await using folder = await tempFolder()
    await using registry = await fakeRegistry({ name: 'github', layers: [organisationLogins({ logins })] })
    registry.content.addManifest('org-a/app', 'v1', image('private'), OCI_MANIFEST)
    const config = (password: string) => ({
      upstreams: {
        'github.test': { url: registry.url, credentials: [{ match: 'org-a/**', username: 'a', password }] },
      },
    })
    await using service = await startService({ folder: folder.path, config: config('old') })
    const pull = async () =>
      (await call(service.port, 'GET', '/v2/github.test/org-a/app/manifests/v1')).status
    const status = async () => {
      const { upstreams } = (await (await fetch(`${service.adminUrl}/api/v1/upstreams`)).json()) as {
        readonly upstreams: readonly { readonly credentials: string }[]
      }
      return upstreams.map(({ credentials }) => credentials)
    }
    assert.deepEqual(await status(), ['unused'])
    assert.deepEqual([await pull(), await status()], [404, ['refused']])
    await service.configure(config('new'))
    await reload(service, RELOADED)
    assert.deepEqual(await status(), ['unused'])
    assert.deepEqual([await pull(), await status()], [200, ['accepted']])
  })

  test('access, freshness, log and pins change; what cannot change is named in a warning', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', 'latest', image('1'), OCI_MANIFEST)
    const upstreams = { 'docker.io': { url: upstream.url } }
    await using service = await startService({
      folder: folder.path,
      config: { upstreams, cache: { tags: [{ match: '.*', fresh: '0s' }] }, log: { access: false } },
    })
    const path = '/v2/app/manifests/latest'
    const login = [`Authorization: Basic ${btoa('ci:secret')}`]
    assert.equal((await call(service.port, 'GET', path)).status, 200)
    await writeFile(join(folder.path, 'users'), `ci:${hashSync('secret', 4)}\n`)
    await service.configure({
      upstreams,
      listen: { host: '127.0.0.1', port: 1 },
      cache: { tags: [{ match: '.*', fresh: '1h' }], pin: ['app'], sweep: '@hourly' },
      access: { htpasswd: 'users' },
      log: { level: 'debug', access: true },
    })
    await reload(service, RELOADED)
    assert.deepEqual(service.log().findLast(({ level }) => level === 40)?.['keys'], ['listen.port'])
    assert.equal((await call(service.port, 'GET', path)).status, 401)
    assert.equal((await call(service.port, 'GET', path, login)).status, 200)
    const asked = upstream.requests.length
    assert.equal(
      (await call(service.port, 'GET', path, login)).headers['cache-status'],
      'entrepot; hit; ttl=3600',
    )
    assert.equal(upstream.requests.length, asked, 'the tag is fresh for an hour now')
    await eventually(() => service.log().some(({ msg }) => msg === 'request'))
    const { pins } = (await (await fetch(`${service.adminUrl}/api/v1/pins`)).json()) as { pins: object[] }
    assert.partialDeepStrictEqual(pins, [{ pattern: 'docker.io/library/app' }])

    await service.configure({ upstreams, cache: { tags: [{ match: '.*', fresh: '0s' }] } })
    await reload(service, RELOADED)
    assert.equal((await call(service.port, 'GET', path)).status, 200, 'open again')
  })

  test('SEC-88: a file that was emptied, or has gone, does not open the registry to everybody', async () => {
    await using folder = await tempFolder()
    await writeFile(join(folder.path, 'users'), `ci:${hashSync('secret', 4)}`)
    const config = {
      upstreams: { 'docker.io': { url: 'http://127.0.0.1:1' } },
      access: { htpasswd: './users' },
    }
    await using service = await startService({ folder: folder.path, config })
    for (const text of ['', '\n\n', '# was here\n', '{}', undefined]) {
      if (text === undefined) await rm(service.file)
      else await writeFile(service.file, text)
      await reload(service, KEPT)
      assert.equal((await call(service.port, 'GET', '/v2/')).status, 401, JSON.stringify(text))
    }
    const [first, ...others] = service.log().filter(({ msg }) => msg === KEPT)
    assert.match(String(first?.['mistake']), /proxy\.config\.yaml is empty or gone: write it again/)
    assert.equal(others.length, 4)
    await service.configure(config)
    await reload(service, RELOADED)
    assert.equal((await call(service.port, 'GET', '/v2/')).status, 401)
  })

  test('a mistake leaves everything as it was: one line each', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', 'latest', image('1'), OCI_MANIFEST)
    const upstreams = { 'docker.io': { url: upstream.url } }
    await using service = await startService({ folder: folder.path, config: { upstreams } })
    await service.configure({ upstreams: { 'r.test': { urll: 'x' } }, cache: { ttl: 'soon' } })
    await reload(service, KEPT)
    const mistakes = service.log().filter(({ msg }) => msg === KEPT)
    assert.deepEqual(
      mistakes.map(({ mistake }) => /: (\S+) is/.exec(String(mistake))?.[1]),
      ['upstreams.r.test.urll', 'cache.ttl'],
    )
    assert.equal((await call(service.port, 'GET', '/v2/app/manifests/latest')).status, 200)
    await service.configure({ upstreams })
    await reload(service, RELOADED)
  })
})

test('FR-50: when the url of an upstream changes, its tags are revalidated at once, also after a restart', async () => {
  await using folder = await tempFolder()
  await using all = await upstreams(3)
  const [first, second, third] = all
  const configOf = (url: string) => ({
    upstreams: { 'docker.io': { url } },
    cache: { tags: [{ match: '.*', fresh: '1d' }] },
  })
  const pulled = async (service: Service) => {
    const { status, body } = await call(service.port, 'GET', '/v2/app/manifests/latest')
    assert.equal(status, 200)
    return JSON.parse(body.toString()).annotations.note as string
  }
  {
    await using service = await startService({ folder: folder.path, config: configOf(first!.url) })
    assert.deepEqual([await pulled(service), await pulled(service)], ['0', '0'])
    await service.configure(configOf(second!.url))
    await reload(service, RELOADED)
    assert.deepEqual([await pulled(service), await pulled(service)], ['1', '1'])
    service.signal('SIGTERM')
    await service.exited
  }
  await using service = await startService({ folder: folder.path, config: configOf(third!.url) })
  assert.deepEqual([await pulled(service), await pulled(service)], ['2', '2'])
  for (const upstream of [first, second, third]) {
    assert.ok(upstream!.count('GET', /manifests/) + upstream!.count('HEAD', /manifests/) <= 2)
  }
})

async function upstreams(count: number) {
  await using opening = new AsyncDisposableStack()
  const all = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const upstream = opening.use(await fakeUpstream())
      upstream.addManifest('library/app', 'latest', image(String(i)), OCI_MANIFEST)
      return upstream
    }),
  )
  const opened = opening.move()
  return Object.assign(all, { [Symbol.asyncDispose]: () => opened.disposeAsync() })
}
