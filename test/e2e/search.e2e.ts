/** `docker search HOST/term` and `podman search`, through a proxy whose upstream is searched, or has no search. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containersSettings } from './support/containers-settings.ts'
import { dockerd } from './support/dockerd.ts'
import { newerRoot } from './support/newer-root.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { type System, THIS_MACHINE } from './support/system.ts'

const HUB = [
  { name: 'nginx', description: 'Official build of Nginx.', star_count: 21000, is_official: true },
  { name: 'bitnami/nginx', description: 'nginx by Bitnami', star_count: 200 },
  { name: 'org/nginx-proxy', star_count: 7 },
]
const NGINX = ['nginx', 'bitnami/nginx', 'org/nginx-proxy']
/** Docker prints what has most stars first. */
const COLUMNS = '{{.Name}}'

const searching = (upstream: FakeUpstream, config: object = {}) => ({
  upstreams: { 'docker.io': { url: upstream.url, search: true } },
  ...config,
})

function docker(name: string, system: System): void {
  suite(`docker search with ${name}`, { skip: system.skipWithout('dockerd', 'docker', 'containerd') }, () => {
    test("finds what the upstream's index finds", async () => {
      await using folder = await tempFolder()
      await using upstream = await fakeUpstream({ searched: HUB })
      const at = join(folder.path, 'proxy')
      await using proxy = await proxyProcess(at, upstream.url, searching(upstream))
      await using daemon = await dockerd(folder.path, '{}', { system })
      const search = async (term: string, ...options: readonly string[]) =>
        (await daemon.docker('search', '--format', COLUMNS, ...options, `${proxy.authority}/${term}`))
          .split('\n')
          .filter(Boolean)
      assert.deepEqual(await search('nginx'), NGINX)
      assert.deepEqual(await search('nginx', '--limit', '2'), NGINX.slice(0, 2))
      assert.deepEqual(await search('nginx', '--filter', 'is-official=true'), ['nginx'])
      assert.deepEqual(await search('nothing'), [])
      assert.match(
        await daemon.docker('search', `${proxy.authority}/nginx`),
        /nginx\s+Official build of Nginx\.\s+21000\s+\[OK\]/,
      )
    })

    test('finds what is stored where the upstream has no search', async () => {
      await using folder = await tempFolder()
      await using upstream = await fakeUpstream()
      for (const name of ['library/nginx', 'org/nginx'])
        upstream.addManifest(name, 'v1', manifestOf([Buffer.from(name)]), OCI_MANIFEST)
      const at = join(folder.path, 'proxy')
      await using proxy = await proxyProcess(at, upstream.url, searching(upstream))
      await using daemon = await dockerd(folder.path, '{}', { system })
      for (const name of ['nginx', 'org/nginx'])
        assert.equal((await fetch(`${proxy.url}/v2/${name}/manifests/v1`)).status, 200)
      const found = await daemon.docker('search', '--format', COLUMNS, `${proxy.authority}/nginx`)
      assert.deepEqual(found.split('\n').filter(Boolean).toSorted(), ['nginx', 'org/nginx'])
    })

    test('wants a login where pulls do', async () => {
      await using folder = await tempFolder()
      await using upstream = await fakeUpstream({ searched: HUB })
      const htpasswd = join(folder.path, 'users')
      await writeFile(htpasswd, `ci:${hashSync('password', 4)}\n`)
      const at = join(folder.path, 'proxy')
      await using proxy = await proxyProcess(at, upstream.url, searching(upstream, { access: { htpasswd } }))
      await using daemon = await dockerd(folder.path, '{}', { system })
      const search = ['search', '--format', COLUMNS, `${proxy.authority}/nginx`] as const
      const refused = await daemon.tryDocker(...search)
      assert.notEqual(refused.code, 0)
      assert.match(refused.stderr, /401/)
      await daemon.docker('login', '--username', 'ci', '--password', 'password', proxy.authority)
      assert.deepEqual((await daemon.docker(...search)).split('\n').filter(Boolean), NGINX)
    })

    test('says that there is no search where it is off', async () => {
      await using folder = await tempFolder()
      await using upstream = await fakeUpstream({ searched: HUB })
      await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
      await using daemon = await dockerd(folder.path, '{}', { system })
      assert.notEqual((await daemon.tryDocker('search', `${proxy.authority}/nginx`)).code, 0)
    })
  })
}

function podman(name: string, system: System): void {
  test(`podman search with ${name}`, { skip: system.skipWithout('podman') }, async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream({ searched: HUB })
    const at = join(folder.path, 'proxy')
    await using proxy = await proxyProcess(at, upstream.url, searching(upstream))
    const { env } = await containersSettings(folder.path, proxy.authority)
    const search = ['search', '--tls-verify=false', '--format', COLUMNS, '--limit', '2']
    const found = await system.succeed('podman', [...search, `${proxy.authority}/nginx`], env)
    assert.deepEqual(
      found.split('\n').filter(Boolean),
      NGINX.slice(0, 2).map((each) => `${proxy.authority}/${each}`),
    )
  })
}

const newer = await newerRoot()
docker('Docker 20.10', THIS_MACHINE)
docker('Docker 28', newer)
podman('podman 4.3', THIS_MACHINE)
podman('podman 5', newer)
