import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { tempFolder } from '../../support/temp-folder.ts'
import { type Image, type Kind, pushImages, REPOSITORY } from './images.ts'
import { missing, type Outcome } from './processes.ts'
import { type ProxyProcess, proxyProcess } from './proxy-process.ts'
import { realRegistry } from './registry.ts'

export interface PullClient extends AsyncDisposable {
  /** Pulls `name` (`docker.io/library/app:tag`, or with `@` and a digest), and asserts that what it stored is `image`. */
  pull(name: string, image: Image): Promise<void>
  /** How it fares when the registry is named in the reference: `127.0.0.1:5000/library/app:tag`. */
  attempt(reference: string): Promise<Outcome>
  /** Empties its store. */
  forget(): Promise<void>
}

export interface PullSuiteOptions {
  /** Why it is not to be had here. */
  readonly skip: string | false
  /** Kinds of content that it cannot pull, from anywhere. */
  readonly cannot: readonly Kind[]
  /** How images of the upstream `ghcr.io` are named to it. */
  readonly elsewhere: (proxy: ProxyProcess) => string
  connect(folder: string, proxy: ProxyProcess): Promise<PullClient>
}

/** Every image, by tag and by digest: cold; again, at no cost upstream; and again with upstream gone. */
export function pullSuite(name: string, { skip, cannot, elsewhere, connect }: PullSuiteOptions): void {
  suite(name, { skip: skip || missing('docker-registry', 'skopeo') }, () => {
    test('pulls all of it: cold, again, and without upstream', async (t) => {
      await using folder = await tempFolder()
      await using upstream = await realRegistry(join(folder.path, 'registry'))
      const images = await pushImages(upstream.url, folder.path)
      await using proxy = await proxyProcess(join(folder.path, 'proxy'), upstream.url)
      const clientFolder = join(folder.path, 'client')
      await mkdir(clientFolder)
      await using client = await connect(clientFolder, proxy)
      const possible = images.filter(({ kind }) => !cannot.includes(kind))

      const pullAll = async (registry: string) => {
        for (const image of possible) {
          for (const reference of [`:${image.tag}`, `@${image.digest}`]) {
            await client.pull(`${registry}/${REPOSITORY}${reference}`, image)
            await client.forget()
          }
        }
      }

      await t.test('cold', async () => {
        await upstream.forget()
        await pullAll('docker.io')
        const blobs = (await upstream.requests()).filter(({ path }) => path.includes('/blobs/'))
        const distinct = new Set(blobs.map(({ path }) => path))
        assert.ok(distinct.size >= 8, `${[...distinct]}`)
      })
      await t.test('again, from an empty client: not one request upstream', async () => {
        await upstream.forget()
        await pullAll('docker.io')
        assert.deepEqual(await upstream.requests(), [])
      })
      await t.test('from another upstream of the proxy', () => pullAll(elsewhere(proxy)))
      for (const { kind, tag } of images.filter((image) => cannot.includes(image.kind))) {
        await t.test(
          `${kind}: what it cannot pull from the registry itself fails in the same way`,
          async () => {
            const [direct, proxied] = await Promise.all(
              [upstream, proxy].map(async ({ authority }) => {
                const { code, stderr } = await client.attempt(`${authority}/${REPOSITORY}:${tag}`)
                return {
                  code,
                  said: stderr.replaceAll(authority, 'REGISTRY').replaceAll(/time="[^"]*" /g, ''),
                }
              }),
            )
            assert.deepEqual(proxied, direct)
            assert.notEqual(direct?.code, 0, `${tag} can be pulled after all`)
            await client.forget()
          },
        )
      }
      await t.test('without upstream', async () => {
        await upstream.stop()
        await pullAll('docker.io')
      })
    })
  })
}
