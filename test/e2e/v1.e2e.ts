/** Images of a registry that speaks the first protocol only, pulled by clients of today. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { fakeV1 } from '../support/fake-v1.ts'
import { EMPTY_LAYER, type OldLayer } from '../support/schema1.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { layerOf, REPOSITORY } from './support/images.ts'
import { newerRoot } from './support/newer-root.ts'
import { convertedImage } from './support/old-images.ts'
import { proxyProcess } from './support/proxy-process.ts'
import { containerdPulls } from './support/pulls/containerd.ts'
import { dockerPulls } from './support/pulls/docker.ts'
import { podmanPulls } from './support/pulls/podman.ts'
import { skopeoPulls } from './support/pulls/skopeo.ts'
import type { PullSuiteOptions } from './support/pull-suite.ts'
import { THIS_MACHINE } from './support/system.ts'

const newer = await newerRoot()

suite('images of the first protocol', () => {
  pulls('dockerd', dockerPulls({ system: THIS_MACHINE, cannot: [] }))
  pulls('newer dockerd', dockerPulls({ system: newer, cannot: [] }))
  pulls(
    'newer dockerd with the image store of containerd',
    dockerPulls({ system: newer, cannot: [], isContainerdStore: true }),
  )
  pulls('newer containerd', containerdPulls(newer))
  pulls('newer podman', podmanPulls(newer))
  pulls('newer skopeo', skopeoPulls(newer))
})

function pulls(name: string, { skip, connect }: PullSuiteOptions): void {
  test(`${name} pulls and unpacks them`, { skip }, async () => {
    await using folder = await tempFolder()
    await using today = await fakeUpstream()
    await using old = await fakeV1()
    const images = [1, 7, 20].map((count) => {
      const layers = Array.from({ length: count }, (_, i) =>
        layerOf(`layer-${count}-${i}`, randomBytes(20_000 + i)),
      )
      // Steps without files are images of their own there.
      const links: OldLayer[] = layers.flatMap(({ blob }) => [
        { blob },
        { blob: EMPTY_LAYER, json: { Size: 0 } },
      ])
      const tag = `layers-${count}`
      old.addImage(REPOSITORY, tag, links)
      return { tag, diffIds: layers.map(({ diffId }) => diffId) }
    })
    const endpoints = [today.url, { url: old.url, api: 'v1' }]
    const upstreams = { 'docker.io': { endpoints, schema1: 'convert' } }
    await using proxy = await proxyProcess(join(folder.path, 'proxy'), today.url, { upstreams })
    const at = join(folder.path, 'client')
    await mkdir(at)
    await using client = await connect(at, proxy)
    for (const { tag, diffIds } of images) {
      // Most clients ask for schema 1 too, and get it. Those that do not are the first to ask.
      const image = await convertedImage(proxy.url, { tag, diffIds })
      await client.pull(`docker.io/${REPOSITORY}@${image.digest}`, image)
      await client.forget()
      if (!name.includes('dockerd') && !name.includes('containerd')) continue
      await client.pull(`docker.io/${REPOSITORY}:${tag}`, image)
      await client.forget()
    }
    assert.equal(old.count('GET', /\/layer$/), 2 * (1 + 7 + 20))
  })
}
