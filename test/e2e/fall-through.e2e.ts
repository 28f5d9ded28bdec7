import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { containerd } from './support/containerd.ts'
import { dockerd } from './support/dockerd.ts'
import { pushSmallImage } from './support/images.ts'
import { missing } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { readmeSnippet } from './support/readme.ts'
import { type RealRegistry, realRegistry } from './support/registry.ts'

interface Outage {
  readonly name: string
  readonly begin: (upstream: RealRegistry) => Promise<void>
  readonly end: (upstream: RealRegistry) => Promise<void>
  /** Milliseconds until a client has turned to the origin. */
  readonly within: number
}

const OUTAGES: readonly Outage[] = [
  {
    name: 'is stopped',
    begin: (upstream) => upstream.stop(),
    end: (upstream) => upstream.restart(),
    within: 15_000,
  },
  {
    name: 'hangs',
    begin: async (upstream) => upstream.program.kill('SIGSTOP'),
    end: async (upstream) => upstream.program.kill('SIGCONT'),
    // The proxy waits 10 seconds for the answer about a manifest, and 10 for that about a blob.
    within: 25_000,
  },
]

suite(
  'containerd and an image that is not cached, when upstream',
  { skip: missing('docker-registry', 'containerd', 'ctr') },
  () => {
    for (const { name, begin, end, within } of OUTAGES) {
      test(`${name}: it comes from the server of the hosts.toml, until upstream is back`, async (t) => {
        await using folder = await tempFolder()
        await using upstream = await realRegistry(join(folder.path, 'upstream'))
        await using origin = await realRegistry(join(folder.path, 'origin'))
        const image = await pushSmallImage('uncached', upstream.url, origin.url)
        await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
        const toml = await readmeSnippet('containerd', proxy.authority)
        const hosts = { 'docker.io': toml.replace('https://registry-1.docker.io', origin.url) }
        await using client = await containerd(join(folder.path, 'client'), { hosts })
        await begin(upstream)
        await origin.forget()
        const pull = () =>
          client.ctr('content', 'fetch', '--hosts-dir', client.hosts, `docker.io/library/app:${image.tag}`)
        await timed(t, within, pull)
        const stored = await client.stored()
        assert.deepEqual(new Set(stored), new Set(image.content.keys()))
        assert.ok((await origin.requests()).some(({ path }) => path.includes('/blobs/')))

        await client.ctr('content', 'rm', ...stored)
        await origin.forget()
        await end(upstream)
        // It looks again after seconds only, for manifests and for blobs.
        for (const what of [`manifests/${image.tag}`, `blobs/${image.configDigest}`]) {
          await eventually(async () => (await fetch(`${proxy.url}/v2/library/app/${what}`)).ok, 30_000)
        }
        await pull()
        assert.deepEqual(new Set(await client.stored()), new Set(image.content.keys()))
        assert.deepEqual(await origin.requests(), [])
      })
    }
  },
)

suite(
  'dockerd and an image that is not cached, when upstream',
  { skip: missing('docker-registry', 'docker', 'dockerd', 'containerd') },
  () => {
    for (const { name, begin, within } of OUTAGES) {
      test(`${name}: it is asked of Docker Hub`, async (t) => {
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
        await timed(t, within, () => turnsTo('https://registry-1.docker.io'))
        assert.notEqual((await pulled).code, 0, 'Docker Hub has no such image')
      })
    }
  },
)

async function timed(t: TestContext, within: number, task: () => Promise<unknown>): Promise<void> {
  const begun = performance.now()
  await task()
  const took = performance.now() - begun
  t.diagnostic(`after ${Math.round(took)} ms`)
  assert.ok(took < within, `${took} ms`)
}
