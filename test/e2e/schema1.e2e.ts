/** Images of schema 1, as skopeo pushes them to a real registry, pulled by clients of today and of then. */
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'
import { containersSettings } from './support/containers-settings.ts'
import { type Image, REPOSITORY } from './support/images.ts'
import { newerRoot } from './support/newer-root.ts'
import { convertedImage, type OldImage, pushOldImage, pushPlainImage } from './support/old-images.ts'
import { flags, missing } from './support/processes.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { containerdPulls } from './support/pulls/containerd.ts'
import { dockerPulls } from './support/pulls/docker.ts'
import type { PullSuiteOptions } from './support/pull-suite.ts'
import { type RealRegistry, realRegistry } from './support/registry.ts'
import { THIS_MACHINE } from './support/system.ts'

const newer = await newerRoot()
const MOST_LAYERS = 20
/** Those that daemons pull: it takes them seconds each. */
const PULLED = new Set(['layers-1', 'layers-7', `layers-${MOST_LAYERS}`, 'plain'])

interface Setting extends AsyncDisposable {
  readonly folder: string
  readonly registry: RealRegistry
  readonly images: readonly OldImage[]
}

async function oldImages(): Promise<Setting> {
  await using starting = new AsyncDisposableStack()
  const folder = starting.use(await tempFolder())
  const registry = starting.use(await realRegistry(join(folder.path, 'registry'), undefined, true))
  const images: OldImage[] = [await pushPlainImage(registry)]
  for (let count = 1; count <= MOST_LAYERS; count++) images.push(await pushOldImage(registry, count))
  const resources = starting.move()
  return { folder: folder.path, registry, images, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

function proxyOf({ folder, registry: { url } }: Setting, name: string, env?: NodeJS.ProcessEnv) {
  const upstreams = { 'docker.io': { url, schema1: 'convert' } }
  return proxyProcess(join(folder, name), url, { upstreams }, { ...(env && { env }) })
}

const absent = missing('docker-registry', 'skopeo')
let it: Setting
before(async () => void (absent === false && (it = await oldImages())))
after(() => it?.[Symbol.asyncDispose]())

suite('images of schema 1', { skip: absent }, () => {
  test('of 1 to 20 layers have the layers of what they were made of, the same for every process', async () => {
    await using proxy = await proxyOf(it, 'one')
    await using other = await proxyOf(it, 'two', {
      TZ: 'Pacific/Chatham',
      LANG: 'tr_TR.UTF-8',
      LC_ALL: 'tr_TR.UTF-8',
      TMPDIR: it.folder,
    })
    for (const old of it.images) {
      const image = await convertedImage(proxy.url, old)
      const config = JSON.parse(String(image.content.get(image.configDigest!)))
      assert.deepEqual(config.rootfs, { type: 'layers', diff_ids: old.diffIds }, old.tag)
      assert.deepEqual((await convertedImage(other.url, old)).content, image.content)
    }
  })

  for (const [name, system] of [
    ['skopeo', THIS_MACHINE],
    ['newer skopeo', newer],
  ] as const) {
    test(
      `${name} pulls them as they are, and by the digest of schema 2`,
      { skip: system.skipWithout('skopeo') },
      async () => {
        await using proxy = await proxyOf(it, `proxy of ${name}`)
        const client = join(it.folder, name)
        await mkdir(client)
        const { env, policy, registries } = await containersSettings(client, proxy.authority)
        const copy = async (reference: string, out: string) => {
          const settings = flags({ policy, 'registries-conf': registries })
          const from = `docker://docker.io/${REPOSITORY}${reference}`
          await system.succeed('skopeo', [...settings, 'copy', from, `dir:${join(client, out)}`], env)
          return JSON.parse(await readFile(join(client, out, 'manifest.json'), 'utf8'))
        }
        for (const old of it.images.filter(({ tag }) => PULLED.has(tag))) {
          assert.equal((await copy(`:${old.tag}`, `${old.tag}-old`)).schemaVersion, 1)
          const image = await convertedImage(proxy.url, old)
          const { schemaVersion, config } = await copy(`@${image.digest}`, `${old.tag}-new`)
          assert.deepEqual([schemaVersion, config.digest], [2, image.configDigest])
        }
      },
    )
  }

  pulls('newer dockerd', dockerPulls({ system: newer, cannot: [] }))
  pulls(
    'newer dockerd with the image store of containerd',
    dockerPulls({ system: newer, cannot: [], isContainerdStore: true }),
  )
  pulls('newer containerd', containerdPulls(newer))
})

/** By tag, which converts the image, by digest, and while the registry is away. */
function pulls(name: string, { skip, connect }: PullSuiteOptions): void {
  test(`${name} pulls and unpacks them`, { skip }, async (t) => {
    await using proxy = await proxyOf(it, `proxy of ${name}`)
    const folder = join(it.folder, `client-${name.length}`)
    await mkdir(folder)
    await using client = await connect(folder, proxy)
    const pull = async (image: Image, reference: string): Promise<void> => {
      await client.pull(`docker.io/${REPOSITORY}${reference}`, image)
      await client.forget()
    }
    const images: Image[] = []
    for (const old of it.images.filter(({ tag }) => PULLED.has(tag))) {
      const direct = await client.attempt(`${it.registry.authority}/${REPOSITORY}:${old.tag}`)
      assert.notEqual(direct.code, 0, `${name} takes schema 1 after all`)
      t.diagnostic(direct.stderr.trim().slice(-400))
      await client.forget()
      // The client is the first that asks for it.
      const reference = `:${old.tag}`
      const { code, stderr } = await client.attempt(`${proxy.authority}/${REPOSITORY}${reference}`)
      assert.equal(code, 0, stderr)
      await client.forget()
      const image = await convertedImage(proxy.url, old)
      await pull(image, reference)
      images.push(image)
    }
    await it.registry.stop()
    for (const image of images) {
      await pull(image, `:${image.tag}`)
      await pull(image, `@${image.digest}`)
    }
    await it.registry.restart()
  })
}
