/** `storage.s3.redirect` with a real S3 service, Ceph RGW: real clients take the bytes of blobs from it. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { cephRgw, RGW } from './cluster/ceph-rgw.ts'
import { LOGIN, newBucket, REGION } from './cluster/new-bucket.ts'
import { type PublicEndpoint, publicEndpoint } from './cluster/public-endpoint.ts'
import { type Image, pushImages, REPOSITORY } from './support/images.ts'
import { missing } from './support/processes.ts'
import { type ProxyProcess, proxyProcess } from './support/proxy-process.ts'
import type { PullSuiteOptions } from './support/pull-suite.ts'
import { containerdPulls } from './support/pulls/containerd.ts'
import { dockerPulls } from './support/pulls/docker.ts'
import { podmanPulls } from './support/pulls/podman.ts'
import { skopeoPulls } from './support/pulls/skopeo.ts'
import { type RealRegistry, realRegistry } from './support/registry.ts'
import { THIS_MACHINE } from './support/system.ts'

const PLACE = { region: REGION, bucket: 'entrepot' }
const CLIENTS: Readonly<Record<string, PullSuiteOptions>> = {
  containerd: containerdPulls(THIS_MACHINE),
  podman: podmanPulls(THIS_MACHINE),
  docker: dockerPulls({ system: THIS_MACHINE, cannot: ['nested', 'artifact'] }),
  skopeo: skopeoPulls(THIS_MACHINE),
}

suite('redirects to Ceph RGW', { skip: missing(...RGW, 'docker-registry', 'skopeo') }, () => {
  const resources = new AsyncDisposableStack()
  let bucket: PublicEndpoint
  let proxy: ProxyProcess
  let upstream: RealRegistry
  let folder: string
  let images: readonly Image[]

  before(async () => {
    folder = resources.use(await tempFolder()).path
    const rgw = resources.use(await cephRgw(join(folder, 'ceph')))
    bucket = resources.use(await publicEndpoint(rgw.endpoint))
    await using _ = await newBucket(rgw, PLACE.bucket)
    upstream = resources.use(await realRegistry(join(folder, 'registry')))
    images = await pushImages(upstream.url, folder)
    proxy = resources.use(
      await proxyProcess(join(folder, 'proxy'), upstream.url, {
        storage: {
          root: './data',
          minFree: 0,
          s3: {
            ...PLACE,
            ...LOGIN,
            endpoint: rgw.endpoint,
            redirect: { networks: ['127.0.0.0/8'], publicEndpoint: bucket.url },
          },
        },
      }),
    )
    for (const { content } of images) {
      for (const [digest, bytes] of content) {
        const kind = bytes.includes('"schemaVersion"') ? 'manifests' : 'blobs'
        const answer = await fetch(`${proxy.url}/v2/${REPOSITORY}/${kind}/${digest}`)
        assert.equal((await answer.arrayBuffer()).byteLength, bytes.length)
      }
    }
    await eventually(async () => (await metric('entrepot_s3_waiting_uploads')) === 0, 60_000)
  })
  after(() => resources.disposeAsync())

  async function metric(name: string): Promise<number> {
    const lines = (await (await fetch(`${proxy.adminUrl}/metrics`)).text()).split('\n')
    const own = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    return own.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  for (const [name, { skip, cannot, connect }] of Object.entries(CLIENTS)) {
    test(`${name}: every blob comes from the bucket, whole and right`, { skip }, async (t) => {
      const own = join(folder, name)
      await mkdir(own)
      await using client = await connect(own, proxy)
      await upstream.forget()
      for (const image of images.filter(({ kind }) => !cannot.includes(kind))) {
        const [served, fromBucket] = [await metric('entrepot_served_bytes_total'), bucket.bytesSent]
        await client.pull(`docker.io/${REPOSITORY}:${image.tag}`, image)
        const here = (await metric('entrepot_served_bytes_total')) - served
        const there = bucket.bytesSent - fromBucket
        t.diagnostic(`${image.kind}: ${there} bytes from the bucket, ${here} from the cache`)
        // Manifests are served here, and nothing else.
        assert.ok(here < 20_000, `${image.kind}: ${here}`)
        assert.ok(there > 0, image.kind)
        const largest = Math.max(...[...image.content.values()].map(({ length }) => length))
        if (image.configDigest !== undefined) assert.ok(there >= largest, `${image.kind}: ${there}`)
        await client.forget()
      }
      assert.deepEqual(
        (await upstream.requests()).filter(({ path }) => path.includes('/blobs/')),
        [],
      )
      assert.ok(bucket.requests.every(({ method }) => method === 'GET'))
      assert.deepEqual(
        bucket.requests.filter(({ authorization }) => authorization !== undefined),
        [],
      )
    })
  }

  test('a range of a blob, and no line of the log with a signature', async () => {
    const [image] = images
    const [digest, bytes] = [...image!.content].toSorted(([, a], [, b]) => b.length - a.length)[0]!
    const answer = await fetch(`${proxy.url}/v2/${REPOSITORY}/blobs/${digest}`, {
      headers: { range: 'bytes=1000000-1000999' },
    })
    assert.equal(answer.status, 206)
    assert.ok(answer.url.startsWith(bucket.url))
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes.subarray(1_000_000, 1_001_000))
    assert.doesNotMatch(proxy.program.lines.join('\n'), /X-Amz|testsecret/)
  })
})
