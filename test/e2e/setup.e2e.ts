/** What `entrepot setup --write` writes, as the clients read it. */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { runEntrepot } from '../support/child.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { containersSettings } from './support/containers-settings.ts'
import { dockerd } from './support/dockerd.ts'
import { type Image, pushSmallImage, REPOSITORY } from './support/images.ts'
import { flags, missing, succeed } from './support/processes.ts'
import { type ProxyProcess, proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

interface Scene {
  readonly folder: string
  readonly proxy: ProxyProcess
  readonly image: Image
  /** Where `setup` wrote. */
  readonly root: string
}

/** Pulls what only the cache can reach: it is the upstream's image under the names of public registries. */
async function withSetup(client: string, version: string, task: (scene: Scene) => Promise<void>) {
  await using folder = await tempFolder()
  await using upstream = await realRegistry(join(folder.path, 'registry'))
  const image = await pushSmallImage('setup', upstream.url)
  await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
  const [root, own] = [join(folder.path, 'root'), join(folder.path, 'client')]
  await mkdir(own)
  const { code, stderr } = await runEntrepot(
    ...['setup', client, '--write', '--root', root, '--client-version', version],
    ...['--registry', proxy.url, '--server', proxy.adminUrl],
  )
  assert.equal(code, 0, stderr)
  await task({ folder: own, proxy, image, root })
}

const needed = (...programs: readonly string[]) => ({
  skip: missing('docker-registry', 'skopeo', ...programs),
})

suite('FR-22: entrepot setup', () => {
  test('FR-22: docker, by dockerd 20.10', needed('dockerd', 'docker', 'containerd'), () =>
    withSetup('docker', '20.10', async ({ folder, image, root }) => {
      const json = await readFile(join(root, 'etc', 'docker', 'daemon.json'), 'utf8')
      await using daemon = await dockerd(folder, json)
      await daemon.docker('pull', '--quiet', `docker.io/${REPOSITORY}:${image.tag}`)
    }),
  )

  test('FR-22: containerd, by containerd 1.6: each registry, and _default', needed('containerd', 'ctr'), () =>
    withSetup('containerd', '1.6', async ({ folder, image, root }) => {
      const certs = join(root, 'etc', 'containerd', 'certs.d')
      await using daemon = await containerd(folder)
      const pull = (registry: string) =>
        daemon.ctr(
          ...['images', 'pull', '--snapshotter', 'native', '--hosts-dir', certs],
          `${registry}/${REPOSITORY}:${image.tag}`,
        )
      await pull('docker.io')
      await pull('ghcr.io')
      await rm(join(certs, 'ghcr.io'), { recursive: true })
      await daemon.ctr('images', 'rm', '--sync', `ghcr.io/${REPOSITORY}:${image.tag}`)
      await pull('ghcr.io')
      const config = join(root, 'etc', 'containerd', 'config.toml')
      const dump = await succeed('containerd', ['--config', config, 'config', 'dump'])
      assert.match(dump, /^\s*config_path = "\/etc\/containerd\/certs\.d"$/m)
    }),
  )

  test('FR-22: podman, by podman 4', needed('podman'), () =>
    withSetup('podman', '4.3', async ({ folder, proxy, image, root }) => {
      const { env, policy } = await containersSettings(folder, proxy.authority)
      const file = join(root, 'etc', 'containers', 'registries.conf.d', '50-entrepot.conf')
      const store = flags({ root: join(folder, 'r'), runroot: join(folder, 'rr'), 'storage-driver': 'vfs' })
      for (const registry of ['docker.io', 'ghcr.io']) {
        const args = [
          'pull',
          '--quiet',
          '--signature-policy',
          policy,
          `${registry}/${REPOSITORY}:${image.tag}`,
        ]
        await succeed('podman', [...store, ...args], { ...env, CONTAINERS_REGISTRIES_CONF: file })
      }
    }),
  )
})
