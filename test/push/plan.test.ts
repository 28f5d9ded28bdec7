/** Names at the destination, and what a rush would be. */
import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { manyImages } from '../storage/many-images.ts'
import { push } from './scene.ts'

const TO = 'http://registry.site-b.example/cache'

suite('the plan of a push', () => {
  test('is refused when images of two upstreams would get one name, unless their upstreams are in it', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('org/app', '1', manifestOf([]), OCI_MANIFEST)
    const config = {
      upstreams: { 'docker.io': { url: upstream.url }, 'r.example:5000': { url: upstream.url } },
    }
    await using proxy = await startProxy({ upstream, config })
    for (const name of ['docker.io', 'r.example:5000']) {
      await (await fetch(`${proxy.url}/v2/org/app/manifests/1?ns=${name}`)).arrayBuffer()
    }
    const { error } = await push(proxy, TO, { dryRun: true })
    assert.match(error!, /images of different upstreams have the same name: org\/app: .* use --with-upstream/)
    const { images } = await push(proxy, TO, { dryRun: true, withUpstream: true })
    assert.deepEqual([...images.values()].map(({ to }) => to).toSorted(), [
      'registry.site-b.example/cache/docker.io/org/app:1',
      'registry.site-b.example/cache/r.example-5000/org/app:1',
    ])
  })

  test("of 10,000 images is there within five seconds, and in nobody's way", async (t) => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream()
    await (await startProxy({ upstream, folder: folder.path })).stop()
    manyImages(join(folder.path, 'data'), 10_000)
    await using proxy = await startProxy({ upstream, folder: folder.path })
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const began = performance.now()
    const { images, report } = await push(proxy, TO, { dryRun: true })
    const seconds = (performance.now() - began) / 1000
    delay.disable()
    assert.equal(images.size, 10_000)
    assert.equal(report.images, 10_000)
    t.diagnostic(`${seconds.toFixed(2)} s, longest turn ${(delay.max / 1e6).toFixed(0)} ms`)
    assert.ok(seconds < 5, `${seconds} s`)
    // A tenth of that on a machine that does nothing else.
    assert.ok(delay.max < 500e6, `${delay.max / 1e6} ms`)
  })
})
