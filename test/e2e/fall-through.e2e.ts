import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { dockerd } from './support/dockerd.ts'
import { pushSmallImage } from './support/images.ts'
import { missing } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { readmeSnippet } from './support/readme.ts'
import { type RealRegistry, realRegistry } from './support/registry.ts'

/** Milliseconds until a client has to be on its way to the origin. */
const WITHIN = 15_000

const outages: readonly [name: string, begin: (upstream: RealRegistry) => Promise<void>][] = [
  ['is stopped', (upstream) => upstream.stop()],
  ['hangs', async (upstream) => upstream.program.kill('SIGSTOP')],
]

suite(
  'an image that is not cached, when upstream',
  { skip: missing('docker-registry', 'containerd', 'ctr') },
  () => {
    for (const [name, begin] of outages) {
      test(`${name}: containerd has it from the server of its hosts.toml`, async (t) => {
        await using folder = await tempFolder()
        await using upstream = await realRegistry(join(folder.path, 'upstream'))
        await using origin = await realRegistry(join(folder.path, 'origin'))
        const image = await pushSmallImage(origin.url, 'uncached')
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
        const toml = await readmeSnippet('containerd', proxy.authority)
        const hosts = { 'docker.io': toml.replace('https://registry-1.docker.io', origin.url) }
        await using client = await containerd(join(folder.path, 'client'), hosts)
        await begin(upstream)
        await origin.forget()
        await timed(t, () =>
          client.ctr('content', 'fetch', '--hosts-dir', client.hosts, `docker.io/library/app:${image.tag}`),
        )
        const stored = (await client.ctr('content', 'ls', '-q')).split('\n').filter(Boolean)
        assert.deepEqual(new Set(stored), new Set(image.content.keys()))
        assert.ok((await origin.requests()).some(({ path }) => path.includes('/blobs/')))
      })
    }
  },
)

suite(
  'an image that is not cached, when upstream',
  { skip: missing('docker-registry', 'docker', 'dockerd', 'containerd') },
  () => {
    for (const [name, begin] of outages) {
      test(`${name}: dockerd turns to Docker Hub`, async (t) => {
        await using folder = await tempFolder()
        await using upstream = await realRegistry(join(folder.path, 'upstream'))
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
        const client = dockerd(join(folder.path, 'client'), await readmeSnippet('docker', proxy.authority))
        await using daemon = await client
        await begin(upstream)
        const pulled = daemon.tryDocker('pull', 'library/app:uncached')
        const turnsTo = (registry: string) =>
          daemon.program.line((line) =>
            line.includes(`Trying to pull app from ${registry}`) ? true : undefined,
          )
        await turnsTo(proxy.url)
        await timed(t, () => turnsTo('https://registry-1.docker.io'))
        assert.notEqual((await pulled).code, 0, 'Docker Hub has no such image')
      })
    }
  },
)

async function timed(t: TestContext, task: () => Promise<unknown>): Promise<void> {
  const begun = performance.now()
  await task()
  const took = performance.now() - begun
  t.diagnostic(`after ${Math.round(took)} ms`)
  assert.ok(took < WITHIN, `${took} ms`)
}
