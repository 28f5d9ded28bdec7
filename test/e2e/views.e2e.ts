/** Views of the past, by the configuration of docs/time.md: one digest for every job of a run, and last week's. */
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { openStore } from '../storage/setup.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { dockerd } from './support/dockerd.ts'
import { type Image, pushSmallImage, REPOSITORY } from './support/images.ts'
import { flags, missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { documentedBlock } from './support/readme.ts'
import { type RealRegistry, realRegistry } from './support/registry.ts'

const HOST = 'cache.internal'
const NAME = `docker.io/${REPOSITORY}:moving`
const DAY = 86_400_000

interface Client extends AsyncDisposable {
  /** Pulls the tag anew. @returns the digest that it got */
  pull(): Promise<string>
}

/** Makes a client whose mirror is this view, `run/4711`. */
type Connect = (folder: string, view: string, authority: string) => Promise<Client>

/** The tag points to another image from now on. */
async function move({ authority }: RealRegistry, { tag }: Image): Promise<void> {
  const image = (of: string) => `docker://${authority}/${REPOSITORY}:${of}`
  const options = ['--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false']
  await succeed('skopeo', ['copy', ...options, image(tag), image('moving')])
}

async function scene(connect: Connect): Promise<void> {
  await using folder = await tempFolder()
  await using upstream = await realRegistry(join(folder.path, 'registry'))
  const [old, one, two] = [
    await pushSmallImage('old', upstream.url),
    await pushSmallImage('one', upstream.url),
    await pushSmallImage('two', upstream.url),
  ]
  await mkdir(join(folder.path, 'proxy'))
  const lastWeek = Date.now() - 7 * DAY
  {
    // A cache that has seen the tag nine days ago, and that was asked for it since.
    await using store = await openStore(join(folder.path, 'proxy', 'data'))
    const repository = { upstream: 'docker.io', name: REPOSITORY }
    await store.tags.set(repository, 'moving', { digest: old.digest, checkedAt: lastWeek - 2 * DAY })
  }
  await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, {
    views: { asOf: true, run: true, host: HOST },
    cache: { tags: [] },
  })
  const client = async (name: string, view: string): Promise<Client> => {
    const own = join(folder.path, name)
    await mkdir(own)
    return connect(own, view, proxy.authority)
  }

  await move(upstream, one)
  await using first = await client('first', 'run/4711')
  assert.equal(await first.pull(), one.digest, 'the first job')
  await move(upstream, two)
  assert.equal(await first.pull(), one.digest, 'the second job')
  await using next = await client('next', 'run/4712')
  assert.equal(await next.pull(), two.digest, 'the next run')
  const day = new Date(lastWeek).toISOString().slice(0, 10).replaceAll('-', '')
  await using past = await client('past', `asof/${day}`)
  assert.equal(await past.pull(), old.digest, 'last week')

  const run = (await (await fetch(`${proxy.adminUrl}/api/v1/runs/4711`)).json()) as {
    images: { image: string; digest: Digest }[]
  }
  assert.deepEqual(
    run.images.map(({ image, digest }) => [image, digest]),
    [[NAME, one.digest]],
  )
}

/** The block of the page with the view and the address of the test. */
async function snippet(name: string, view: string, authority: string): Promise<string> {
  const block = await documentedBlock('docs/time.md', name)
  const [kind = '', text = ''] = view.split('/')
  return block
    .replaceAll('4711.run.cache.internal:5000', `${text}.${kind}.${HOST}:${authority.split(':')[1]}`)
    .replaceAll('cache.internal:5000', authority)
    .replaceAll('run/4711', view)
}

const dockerClient: Connect = async (folder, view, authority) => {
  const [kind, text] = view.split('/')
  const hosts = join(folder, 'hosts')
  await writeFile(hosts, `${await readFile('/etc/hosts', 'utf8')}\n127.0.0.1 ${text}.${kind}.${HOST}\n`)
  const daemon = await dockerd(folder, await snippet('run-docker', view, authority), { hosts })
  return {
    async pull() {
      await daemon.docker('image', 'prune', '--all', '--force')
      await daemon.docker('pull', '--quiet', NAME)
      const [stored] = JSON.parse(await daemon.docker('image', 'inspect', NAME)) as {
        RepoDigests: string[]
      }[]
      return stored!.RepoDigests[0]!.split('@')[1]!
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}

const containerdClient: Connect = async (folder, view, authority) => {
  const hosts = { 'docker.io': await snippet('run-containerd', view, authority) }
  const daemon = await containerd(folder, { hosts })
  return {
    async pull() {
      await daemon.ctr('images', 'pull', '--snapshotter', 'native', '--hosts-dir', daemon.hosts, NAME)
      const [line = ''] = (await daemon.ctr('images', 'ls', `name==${NAME}`)).split('\n').slice(1)
      return /sha256:[0-9a-f]{64}/.exec(line)?.[0] ?? line
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}

const podmanClient: Connect = async (folder, view, authority) => {
  const [registries, policy] = [join(folder, 'registries.conf'), join(folder, 'policy.json')]
  await writeFile(registries, await snippet('run-podman', view, authority))
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const env = {
    CONTAINERS_REGISTRIES_CONF: registries,
    TMPDIR: folder,
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
  }
  const store = flags({
    root: join(folder, 'root'),
    runroot: join(folder, 'run'),
    'storage-driver': 'vfs',
  })
  const podman = (...args: readonly string[]) => succeed('podman', [...store, ...args], env)
  return {
    async pull() {
      await podman('image', 'rm', '--all', '--force')
      await podman('pull', '--quiet', '--signature-policy', policy, NAME)
      const [stored] = JSON.parse(await podman('image', 'inspect', NAME)) as { Digest: string }[]
      return stored!.Digest
    },
    async [Symbol.asyncDispose]() {},
  }
}

const needed = (...programs: readonly string[]) => ({
  skip: missing('docker-registry', 'skopeo', ...programs),
})

suite('views: a tag moves between two jobs of one run', () => {
  test('dockerd, by host name', needed('dockerd', 'docker', 'containerd'), () => scene(dockerClient))
  test('containerd, by path', needed('containerd', 'ctr'), () => scene(containerdClient))
  test('podman, by path', needed('podman'), () => scene(podmanClient))
})
