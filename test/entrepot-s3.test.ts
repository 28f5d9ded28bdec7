/** One replica whose content lies in a bucket, its own store a tier in front of it. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import type { Status } from '../src/ports/insight/insight.ts'
import { type FakeS3, fakeS3, S3_CONFIG } from './s3/fake-s3.ts'
import { runEntrepot } from './support/child.ts'
import { fakeUpstream, type FakeUpstream } from './support/fake-upstream.ts'
import { type Blob, blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { type Proxy, startProxy } from './support/proxy.ts'
import { tempFolder } from './support/temp-folder.ts'

const MiB = 1024 * 1024
const layer = blobOf(3 * MiB + 11)
const config = Buffer.from('{}')
const manifest = manifestOf([layer.bytes])

interface Cache extends AsyncDisposable {
  readonly s3: FakeS3
  readonly upstream: FakeUpstream
  readonly folder: string
  start(storage?: object, more?: Record<string, unknown>): Promise<Proxy>
}

async function cache(): Promise<Cache> {
  await using starting = new AsyncDisposableStack()
  const s3 = starting.use(await fakeS3())
  const upstream = starting.use(await fakeUpstream())
  const temp = starting.use(await tempFolder())
  for (const bytes of [layer.bytes, config]) upstream.addBlob(bytes)
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  const resources = starting.move()
  return {
    s3,
    upstream,
    folder: temp.path,
    start: (storage, more) =>
      startProxy({
        upstream,
        folder: temp.path,
        config: {
          storage: {
            root: './data',
            minFree: 0,
            s3: { ...S3_CONFIG, endpoint: s3.url, prefix: 'cache' },
            ...storage,
          },
          ...more,
        },
      }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Pulls the image. @returns the bytes that upstream sent of blobs for it */
async function pull({ upstream }: Cache, { url }: Proxy): Promise<number> {
  const before = upstream.bodyBytes(/blobs/)
  const tag = await fetch(`${url}/v2/library/app/manifests/latest`)
  assert.deepEqual(Buffer.from(await tag.arrayBuffer()), manifest)
  assert.equal(tag.headers.get('content-type'), OCI_MANIFEST)
  for (const bytes of [config, layer.bytes]) {
    const answer = await fetch(`${url}/v2/library/app/blobs/${digestOf(bytes)}`)
    assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digestOf(bytes))
  }
  return upstream.bodyBytes(/blobs/) - before
}

/** Pulls the image and a blob for which the tier evicts its layer, and stops upstream. @returns the blob */
async function evictTheFirst(here: Cache, proxy: Proxy): Promise<Blob> {
  await pull(here, proxy)
  await isUploaded(here)
  const other = blobOf(3 * MiB + 500_000, 9)
  here.upstream.addBlob(other.bytes)
  await (await fetch(`${proxy.url}/v2/library/app/blobs/${other.digest}`)).arrayBuffer()
  await isUploaded(here, 4)
  await here.upstream.stop()
  return other
}

const isUploaded = ({ s3 }: Cache, count = 3) => eventually(() => s3.objects.size === count)

suite('storage.s3', () => {
  test('what is pulled lies in the bucket, and a replica whose disk is new downloads nothing again', async () => {
    await using here = await cache()
    await using first = await here.start()
    assert.ok((await pull(here, first)) >= layer.bytes.length)
    await isUploaded(here)
    await first.stop()
    await rm(join(here.folder, 'data'), { recursive: true })
    await using second = await here.start()
    // That it may read them is proved by some ranges: nobody knows any more where they came from.
    assert.ok((await pull(here, second)) < 200_000)
    assert.equal(await pull(here, second), 0)
  })

  test('what the tier has evicted is read from the bucket, with upstream away', async () => {
    await using here = await cache()
    await using proxy = await here.start({ maxSize: '4MiB' })
    const other = await evictTheFirst(here, proxy)
    for (const { bytes, digest } of [layer, other, layer]) {
      const answer = await fetch(`${proxy.url}/v2/library/app/blobs/${digest}`)
      assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digest)
      assert.equal(answer.headers.get('content-length'), String(bytes.length))
    }
  })

  test('why and drill count what only the bucket has, and what retain keeps there is not missing', async () => {
    await using here = await cache()
    const views = { asOf: true, retain: [{ match: '**', for: '30d' }] }
    await using proxy = await here.start({ maxSize: '4MiB' }, { views })
    await evictTheFirst(here, proxy)
    const asked = (...command: string[]) => runEntrepot(...command, '--server', proxy.adminUrl)
    const du = await asked('du')
    assert.doesNotMatch(du.stdout, /not stored any more/)
    const why = await asked('why', 'app:latest')
    assert.match(why.stdout, /^works: /m)
    assert.match(why.stdout, /whole, 2 parts/)
    const drill = await asked('drill')
    assert.match(drill.stdout, /^100 % of 1 pull /m)
    for (const key of here.s3.objects.keys())
      if (key.endsWith(layer.digest.slice(7))) here.s3.objects.delete(key)
    assert.match((await asked('why', 'app:latest')).stdout, /1 of its 2 parts is not stored/)
  })

  test('a range of what only the bucket has begins at once, and is right', async () => {
    await using here = await cache()
    await using first = await here.start()
    await pull(here, first)
    await isUploaded(here)
    await first.stop()
    await rm(join(here.folder, 'data', 'blobs'), { recursive: true })
    await using second = await here.start()
    const answer = await fetch(`${second.url}/v2/library/app/blobs/${layer.digest}`, {
      headers: { range: 'bytes=1000000-2000000' },
    })
    assert.equal(answer.status, 206)
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), layer.bytes.subarray(1_000_000, 2_000_001))
  })

  for (const mode of ['hang', 'reset', 503] as const) {
    test(`while the bucket does not answer (${mode}), pulls pass through, and are uploaded afterwards`, async () => {
      await using here = await cache()
      await using proxy = await here.start()
      here.s3.mode = mode
      await pull(here, proxy)
      assert.equal(await pull(here, proxy), 0)
      assert.equal(here.s3.objects.size, 0)
      here.s3.mode = 'right'
      await isUploaded(here)
    })
  }

  test('status tells what is not uploaded yet, and why, until the bucket takes it', async () => {
    await using here = await cache()
    await using proxy = await here.start()
    const status = async () => (await runEntrepot('status', '--server', proxy.adminUrl)).stdout
    const { keys } = here.s3
    here.s3.keys = { ...keys, secretAccessKey: 'another' }
    await pull(here, proxy)
    const told = await status()
    assert.match(told, /^s3: .*, 3 objects not uploaded yet$/m)
    assert.match(
      told,
      /^storage\.s3 refuses `stat` \(403\).*: correct storage\.s3\.accessKeyId and its secret, or let /m,
    )
    const page = await (await fetch(proxy.adminUrl)).text()
    assert.match(page, /3 objects not uploaded yet\. storage\.s3 refuses/)
    here.s3.keys = keys
    await isUploaded(here)
    await eventually(async () => !/not uploaded|refuses/.test(await status()), 10_000)
  })

  test('what was not uploaded when the process ended is uploaded after the next start', async () => {
    await using here = await cache()
    await using first = await here.start()
    here.s3.mode = 503
    await pull(here, first)
    await first.stop()
    here.s3.mode = 'right'
    await using _second = await here.start()
    await isUploaded(here)
  })

  test('what the bucket has is told after the first sweep, and before it that nobody knows yet', async () => {
    await using all = await cache()
    const s3 = { ...S3_CONFIG, endpoint: all.s3.url, prefix: 'cache', maxSize: '1GiB' }
    await using proxy = await all.start({ s3 }, { cache: { sweep: '* * * * * *' } })
    const status = async () =>
      ((await (await fetch(`${proxy.adminUrl}/api/v1/upstreams`)).json()) as Status).bucket!
    const first = await status()
    if (first.sweptAt === null)
      assert.deepEqual([first.bytes, first.objects, first.limitBytes], [null, null, 2 ** 30])
    await pull(all, proxy)
    await isUploaded(all)
    await eventually(async () => (await status()).sweptAt !== null, 10_000)
    const page = await (await fetch(proxy.adminUrl)).text()
    const card = /<span>Bucket<\/span><b>(.*?)<\/b><span class="dim">(.*?)<\/span>/
      .exec(page)
      ?.slice(1)
      .join(' ')
    assert.match(card ?? '', /^[\d.]+ \w+ of 1\.0 GiB, \d objects?, counted (?:now|\d+ s ago)$/)
    const { stdout } = await runEntrepot('status', '--server', proxy.adminUrl)
    assert.match(stdout, /^s3: [\d.]+ \w+ of 1\.0 GiB in \d objects?, counted (?:now|\d+ s ago)$/m)
  })

  test('a replica starts without its bucket, and says so', async () => {
    await using here = await cache()
    here.s3.mode = 'reset'
    await using proxy = await here.start()
    await pull(here, proxy)
    assert.ok(proxy.log.some(({ msg }) => msg === 'storage.s3 cannot be used, and is asked again'))
  })

  test('damaged objects of the bucket reach nobody, and are replaced from upstream', async () => {
    await using here = await cache()
    await using first = await here.start()
    await pull(here, first)
    await isUploaded(here)
    await first.stop()
    await rm(join(here.folder, 'data', 'blobs'), { recursive: true })
    for (const object of here.s3.objects.values()) {
      object.bytes = Buffer.from(object.bytes)
      object.bytes[object.bytes.length - 1]! ^= 1
    }
    await using second = await here.start()
    await pull(here, second)
    await eventually(() => {
      const stored = [...here.s3.objects].map(([key, { bytes }]) => [
        key.slice(-64),
        digestOf(bytes).slice(7),
      ])
      return stored.length === 3 && stored.every(([name, hash]) => name === hash)
    })
  })

  test('what is purged is gone from the bucket too', async () => {
    await using here = await cache()
    await using proxy = await here.start()
    await pull(here, proxy)
    await isUploaded(here)
    const purged = await fetch(`${proxy.adminUrl}/api/v1/purge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pattern: 'library/app' }),
    })
    assert.equal(purged.status, 200)
    assert.equal(here.s3.objects.size, 0)
  })
})
