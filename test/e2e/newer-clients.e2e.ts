/** Clients of the day, from Debian's newest: what sign, attach and pull by ranges. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { RegistryContent } from '../support/fake-upstream/registry.ts'
import { descriptorOf, manifestOf } from '../support/fixtures.ts'
import { fakeRegistry } from '../support/registries/fake-registry.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { pushSmallImage, REPOSITORY } from './support/images.ts'
import { newerRoot } from './support/newer-root.ts'
import { missing, succeed } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { realRegistry } from './support/registry.ts'

const newer = await newerRoot()
const skip = newer.skipWithout() || missing('docker-registry')
const inside = newer.succeed

/**
 * A registry without the referrers API, an image in it, and a proxy that remembers an absence for two
 * seconds.
 */
async function world() {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await tempFolder())
  const upstream = stack.use(await realRegistry(folder.path))
  const file = join(folder.path, 'artifact')
  await writeFile(file, randomBytes(20 * 1024 * 1024))
  const at = (authority: string) => `${authority}/${REPOSITORY}`
  const push = ['push', '--plain-http', '--disable-path-validation', `${at(upstream.authority)}:v1`, file]
  await inside('oras', push)
  const config = { cache: { negative: '2s' } }
  const proxy = stack.use(await proxyProcess(join(folder.path, 'proxy'), upstream.url, config))
  const digest = (await inside('oras', ['resolve', '--plain-http', `${at(upstream.authority)}:v1`])).trim()
  const running = stack.move()
  return {
    folder: folder.path,
    file,
    digest,
    upstreamRef: at(upstream.authority),
    proxyRef: at(proxy.authority),
    upstream,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

suite('newer clients', { skip }, () => {
  test('oras pulls, and discovers what was attached, cold and with upstream gone', async () => {
    await using place = await world()
    const { folder, file, digest, upstream, upstreamRef, proxyRef } = place
    const attach = [
      'attach',
      '--plain-http',
      '--disable-path-validation',
      '--artifact-type',
      'application/vnd.example.sbom',
    ]
    await inside('oras', [...attach, `${upstreamRef}@${digest}`, file])
    const discover = async (): Promise<number> => {
      const answer = await inside('oras', [
        'discover',
        '--plain-http',
        '--format',
        'json',
        `${proxyRef}@${digest}`,
      ])
      const { referrers, manifests } = JSON.parse(answer)
      return (referrers ?? manifests).length
    }
    const pull = ['pull', '--plain-http', '--allow-path-traversal', '--output', join(folder, 'out')]
    assert.equal(await discover(), 1)
    await inside('oras', [...pull, `${proxyRef}:v1`])
    await upstream.stop()
    assert.equal(await discover(), 1)
    await inside('oras', [...pull, `${proxyRef}:v1`])
  })

  test('crane lists, resolves and validates every layer, cold, warm and with upstream gone', async () => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(join(folder.path, 'registry'))
    const image = await pushSmallImage('crane', upstream.url)
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
    const repository = `${proxy.authority}/${REPOSITORY}`
    const crane = (...args: readonly string[]) => inside('crane', [...args, '--insecure'])
    const check = async () => {
      assert.equal((await crane('ls', repository)).trim(), 'crane')
      assert.equal((await crane('digest', `${repository}:crane`)).trim(), image.digest)
      await crane('validate', '--remote', `${repository}:crane`)
      await crane('validate', '--remote', `${repository}@${image.digest}`)
    }
    await check()
    await upstream.forget()
    await check()
    assert.deepEqual(await upstream.requests(), [])
    await upstream.stop()
    await check()
  })

  test('FR-15 cosign signs, and verifies through the proxy at once', async () => {
    await using place = await world()
    const { folder, digest, upstreamRef, proxyRef } = place
    const env = { COSIGN_PASSWORD: '', HOME: folder, COSIGN_YES: 'true' }
    const key = join(folder, 'cosign')
    await inside('cosign', ['generate-key-pair', '--output-key-prefix', key], env)
    const registry = ['--allow-http-registry', '--allow-insecure-registry']
    const verify = ['verify', '--key', `${key}.pub`, '--insecure-ignore-tlog', ...registry]
    await assert.rejects(inside('cosign', [...verify, `${proxyRef}@${digest}`], env), /signature/i)
    const sign = [
      'sign',
      '--key',
      `${key}.key`,
      '--tlog-upload=false',
      '--use-signing-config=false',
      ...registry,
    ]
    await inside('cosign', [...sign, `${upstreamRef}@${digest}`], env)
    const deadline = Date.now() + 30_000
    for (;;) {
      const answer = await inside('cosign', [...verify, `${proxyRef}@${digest}`], env).catch(
        (error: Error) => error,
      )
      if (typeof answer === 'string') break
      if (Date.now() > deadline) throw answer
    }
  })

  test('FR-24 containerd 2 pulls a large layer by parallel ranges, and upstream sends it once', async (t) => {
    await using folder = await tempFolder()
    const at = (name: string) => join(folder.path, name)
    await writeFile(at('random'), randomBytes(48 * 1024 * 1024))
    await succeed('tar', ['-C', folder.path, '-cf', at('layer.tar'), 'random'])
    const layer = await readFile(at('layer.tar'))
    const content = new RegistryContent({ referrers: true })
    const platform = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' }
    const rootfs = { type: 'layers', diff_ids: [digestOf(layer)] }
    const config = Buffer.from(JSON.stringify({ ...platform, config: {}, rootfs }))
    for (const blob of [layer, config]) content.addBlob(blob)
    const type = 'application/vnd.oci.image'
    const manifest = manifestOf([], {
      config: descriptorOf(config, `${type}.config.v1+json`),
      layers: [descriptorOf(layer, `${type}.layer.v1.tar`)],
    })
    content.addManifest(REPOSITORY, 'v1', manifest, OCI_MANIFEST)
    await using upstream = await fakeRegistry({ name: 'plain', layers: [] }, content)
    await using proxy = await proxyProcess(at('proxy'), upstream.url)
    await mkdir(at('certs.d/docker.io'), { recursive: true })
    const hosts = `[host."${proxy.url}"]\ncapabilities = ["pull", "resolve"]\n`
    await writeFile(at('certs.d/docker.io/hosts.toml'), hosts)
    await writeFile(at('containerd.toml'), containerdConfig(folder.path, platform.architecture))
    await using daemon = newer.start('containerd', ['--config', at('containerd.toml')])
    await daemon.line((line) => (line.includes('containerd successfully booted') ? true : undefined))
    const ctr = ['--address', at('containerd.sock'), 'images', 'pull', '--hosts-dir', at('certs.d')]
    await inside('ctr', [...ctr, '--snapshotter', 'native', `docker.io/${REPOSITORY}:v1`])
    const sent = upstream.bodyBytes(new RegExp(digestOf(layer))) / layer.length
    t.diagnostic(`${sent} times its size`)
    assert.ok(sent <= 1.1, `${sent} times its size`)
  })
})

function containerdConfig(folder: string, architecture: string): string {
  return `version = 3
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.nri.v1.nri"]
[grpc]
address = "${folder}/containerd.sock"
[plugins."io.containerd.transfer.v1.local"]
max_concurrent_downloads = 3
concurrent_layer_fetch_buffer = 8388608
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux/${architecture}"
snapshotter = "native"
`
}
