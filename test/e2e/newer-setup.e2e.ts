/**
 * What `entrepot setup --write` writes on a machine with Docker 28, containerd 2 and podman 5, as they read
 * it there.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'
import { criPull } from './support/cri.ts'
import { dockerd } from './support/dockerd.ts'
import { type Image, pushSmallImage, REPOSITORY } from './support/images.ts'
import { type NewerMachine, newerMachine } from './support/newer-machine.ts'
import { newerRoot } from './support/newer-root.ts'
import { flags, missing } from './support/processes.ts'
import { type ProxyProcess, proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

const newer = await newerRoot()

interface Scene {
  readonly folder: string
  readonly machine: NewerMachine
  readonly proxy: ProxyProcess
  readonly image: Image
}

const CONFIG = '/etc/containerd/config.toml'
/** Commands that make it as it may be before. */
const FILES = {
  'no config.toml': `rm -f ${CONFIG}`,
  'the config.toml that containerd suggests': `mkdir -p /etc/containerd && containerd config default >${CONFIG}`,
} as const

/**
 * A machine where these clients were set up. What they pull is the upstream's image, under the names of
 * public registries.
 */
async function withSetup(clients: readonly string[], task: (scene: Scene) => Promise<void>): Promise<void> {
  await using folder = await tempFolder()
  await using upstream = await realRegistry(join(folder.path, 'registry'))
  const image = await pushSmallImage('setup', upstream.url)
  await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
  await using machine = await newerMachine(newer, join(folder.path, 'machine'))
  for (const client of clients) await setUp(machine, proxy, client)
  const own = join(folder.path, 'client')
  await mkdir(own)
  await task({ folder: own, machine, proxy, image })
}

function setUp(machine: NewerMachine, { url, adminUrl }: ProxyProcess, client: string): Promise<string> {
  return machine.entrepot('setup', client, '--write', '--registry', url, '--server', adminUrl)
}

suite(
  'FR-22: entrepot setup of newer clients',
  { skip: newer.skipWithout() || missing('docker-registry') },
  () => {
    test('doctor finds nothing where all clients are set up, and says what goes past the cache before', () =>
      withSetup([], async ({ machine, proxy }) => {
        await machine.succeed('sh', ['-c', FILES['the config.toml that containerd suggests']])
        const before = await machine.run('/mnt/bin/entrepot', ['doctor'])
        assert.equal(before.code, 1)
        assert.match(before.stdout, /docker: \/etc\/docker\/daemon\.json has no registry-mirrors/)
        assert.match(before.stdout, /containerd: \/etc\/containerd\/config\.toml has no config_path/)
        assert.match(
          before.stdout,
          /podman: \/etc\/containers\/registries\.conf has no \[\[registry\.mirror\]\]/,
        )
        for (const client of ['docker', 'containerd', 'podman']) await setUp(machine, proxy, client)
        assert.equal(
          await machine.entrepot('doctor', REPOSITORY),
          `checked docker, containerd, podman: all pull through ${proxy.url}\n`,
        )
        // Docker has a mirror for every registry from version 29 on.
        const other = await machine.run('/mnt/bin/entrepot', ['doctor', `ghcr.io/${REPOSITORY}`])
        assert.match(other.stdout, /^docker: ghcr.io.* for which docker has no mirror\n.*\n.*: 1 finding\n$/)
      }))

    for (const isContainerdStore of [false, true]) {
      test(`FR-22: docker, by dockerd 28 ${isContainerdStore ? 'with the image store of containerd' : ''}`, () =>
        withSetup(['docker'], async ({ folder, machine, image }) => {
          const json = await machine.succeed('cat', ['/etc/docker/daemon.json'])
          await using daemon = await dockerd(folder, json, { system: machine, isContainerdStore })
          await daemon.docker('pull', '--quiet', `docker.io/${REPOSITORY}:${image.tag}`)
        }))
    }

    for (const [what, command] of Object.entries(FILES)) {
      test(`FR-22: containerd, by the CRI plugin of containerd 2 with ${what}: each registry, and _default`, () =>
        withSetup([], async ({ folder, machine, proxy, image }) => {
          await machine.succeed('sh', ['-c', command])
          await setUp(machine, proxy, 'containerd')
          const dump = await machine.succeed('containerd', ['--config', CONFIG, 'config', 'dump'])
          assert.match(dump, /^\s*config_path = ['"]\/etc\/containerd\/certs\.d['"]$/m)
          const address = join(folder, 'containerd.sock')
          const options = {
            config: CONFIG,
            address,
            root: join(folder, 'root'),
            state: join(folder, 'state'),
          }
          await using daemon = machine.start('containerd', flags(options))
          await daemon.line((line) => (line.includes('containerd successfully booted') ? true : undefined))
          for (const registry of ['docker.io', 'ghcr.io'])
            await criPull(address, `${registry}/${REPOSITORY}:${image.tag}`)
          await machine.succeed('rm', ['-r', '/etc/containerd/certs.d/ghcr.io'])
          await criPull(address, `ghcr.io/${REPOSITORY}@${image.digest}`)
        }))
    }

    test('FR-22: podman, by podman 5', () =>
      withSetup(['podman'], async ({ folder, machine, image }) => {
        const store = flags({ root: join(folder, 'r'), runroot: join(folder, 'rr'), 'storage-driver': 'vfs' })
        for (const registry of ['docker.io', 'ghcr.io']) {
          const name = `${registry}/${REPOSITORY}:${image.tag}`
          await machine.succeed('podman', [...store, 'pull', '--quiet', name], {
            HOME: folder,
            TMPDIR: folder,
          })
        }
      }))
  },
)
