/** From a real registry:2 proxy to Entrepot: its configuration by `migrate`, its store by `adopt`. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { runEntrepot } from '../support/child.ts'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { type Image, pushImages } from './support/images.ts'
import { freePort, missing, start } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { type RealRegistry, realRegistry } from './support/registry.ts'
import { pullWithSkopeo } from './support/skopeo.ts'

type Pulled = Pick<Image, 'tag' | 'content'>

/** Fills the store of a registry:2 proxy by pulling through it. @returns the file of its configuration */
async function filledProxy(
  folder: string,
  upstream: RealRegistry,
  images: readonly Pulled[],
): Promise<string> {
  const store = join(folder, 'registry2')
  await mkdir(store)
  const authority = `127.0.0.1:${await freePort()}`
  const config = join(folder, 'config.yml')
  await writeFile(
    config,
    stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: store } },
      http: { addr: authority },
      proxy: { remoteurl: upstream.url },
    }),
  )
  await using registry = start('docker-registry', ['serve', config])
  await eventually(async () => {
    const answer = await fetch(`http://${authority}/v2/`).catch(() => undefined)
    return answer?.ok === true
  }, 20_000)
  const pullAll = async () => {
    for (const image of images) await (await pullWithSkopeo(folder, authority, image)).assertWhole()
  }
  await pullAll()
  // It stores what it has sent in the background.
  await eventually(async () => {
    await upstream.forget()
    await pullAll()
    return !(await upstream.requests()).some(({ path }) => path.includes('/blobs/'))
  }, 60_000)
  registry.kill('SIGTERM')
  await registry.exited
  return config
}

/** Runs `migrate` and `adopt`. @returns our configuration */
async function takenOver(folder: string, old: string): Promise<{ readonly defaultUpstream: string }> {
  const migrated = await runEntrepot('migrate', 'registry2', old)
  assert.equal(migrated.code, 0, migrated.stderr)
  const ours = parse(migrated.stdout) as { defaultUpstream: string; storage: { root: string } }
  const file = join(folder, 'proxy.config.yaml')
  await writeFile(file, migrated.stdout)
  const adopted = await runEntrepot('adopt', old, '--config', file)
  assert.deepEqual([adopted.code, adopted.stderr], [0, ''])
  assert.match(adopted.stdout, /adopted [1-9]\d* objects of 1 repository\n$/)
  return { ...ours, listen: { host: '127.0.0.1', port: 0 } } as typeof ours
}

suite('a registry:2 proxy is replaced', { skip: missing('docker-registry', 'skopeo') }, () => {
  test('after migrate and adopt, the next pulls ask upstream for no blob', async () => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(join(folder.path, 'upstream'))
    const pushed = await pushImages(upstream.url, folder.path)
    const images = pushed.filter(({ kind }) => kind === 'layers' || kind === 'oci')
    assert.equal(images.length, 2)
    const config = await takenOver(folder.path, await filledProxy(folder.path, upstream, images))
    assert.equal(config.defaultUpstream, upstream.authority)

    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
    await upstream.forget()
    for (const image of images)
      await (await pullWithSkopeo(folder.path, proxy.authority, image)).assertWhole()
    const requests = await upstream.requests()
    assert.deepEqual(
      requests.filter(({ method, path }) => method !== 'HEAD' || path.includes('/blobs/')),
      [],
      'only HEAD of tags',
    )
  })

  test('an index of which one platform was pulled: that one comes from the store, others from upstream', async () => {
    await using folder = await tempFolder()
    await using upstream = await realRegistry(join(folder.path, 'upstream'))
    const pushed = await pushImages(upstream.url, folder.path)
    const ofKind = (wanted: string) => pushed.find(({ kind }) => kind === wanted)!
    const index = ofKind('index')
    // Of an index, skopeo takes the image of this machine alone, which has a tag of its own too.
    const here = { tag: index.tag, content: ofKind('oci').content }
    const config = await takenOver(folder.path, await filledProxy(folder.path, upstream, [here]))

    await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url, config)
    await upstream.forget()
    await (await pullWithSkopeo(folder.path, proxy.authority, here)).assertWhole()
    assert.deepEqual(
      (await upstream.requests()).filter(({ method }) => method !== 'HEAD'),
      [],
      'only HEAD of the tag',
    )
    const listed = await runEntrepot('ls', '--json', '--server', proxy.adminUrl)
    assert.equal(listed.code, 0, listed.stderr)
    assert.match(listed.stdout, new RegExp(index.digest))

    await upstream.forget()
    const all = await pullWithSkopeo(folder.path, proxy.authority, { ...index, isWhole: true })
    await all.assertWhole()
    const known = new Set([index.digest, ...here.content.keys()])
    const fetched = (await upstream.requests()).filter(({ method }) => method === 'GET')
    assert.equal(fetched.length, index.content.size - known.size, 'the other platform, each part once')
    for (const { path } of fetched) assert.ok(!known.has(path.split('/').at(-1) as never), path)

    await upstream.stop()
    await (await pullWithSkopeo(folder.path, proxy.authority, { ...index, isWhole: true })).assertWhole()
  })
})
