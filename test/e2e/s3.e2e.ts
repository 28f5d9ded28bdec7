/** A real S3 service, Ceph RGW, behind the store. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../../src/oci/digest.ts'
import { probeAbilities } from '../../src/s3/abilities.ts'
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import { remoteBlobsSuite } from '../s3/remote-blobs-suite.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { cephRgw, type CephRgw, RGW } from './cluster/ceph-rgw.ts'
import { missing } from './support/processes.ts'

const MiB = 1024 * 1024
const KEYS = { accessKeyId: 'test', secretAccessKey: 'testsecret' }
const REGION = 'us-east-1'

suite('Ceph RGW', { skip: missing(...RGW) }, () => {
  const resources = new AsyncDisposableStack()
  let rgw: CephRgw
  let buckets = 0
  before(async () => {
    const folder = resources.use(await tempFolder())
    rgw = resources.use(await cephRgw(join(folder.path, 'ceph')))
  })
  after(() => resources.disposeAsync())

  function client(bucket: string): S3Client {
    const timeouts = { connect: 2_000, headers: 20_000, idle: 20_000 }
    return new S3Client({
      region: REGION,
      credentials: () => KEYS,
      endpoint: rgw.endpoint,
      bucket,
      timeouts,
      telemetry: { answered() {} },
    })
  }

  async function newBucket(): Promise<string> {
    const bucket = `bucket-${++buckets}`
    await using creating = client(bucket)
    const response = await creating.send('create', { method: 'PUT', key: '' })
    await response.body.dump()
    return bucket
  }

  test('it can do all that is needed', async () => {
    await using asked = client(await newBucket())
    assert.deepEqual(await probeAbilities(asked, 'a/'), {
      refusesToOverwrite: true,
      verifiesUploads: true,
      hasRanges: true,
    })
  })

  remoteBlobsSuite('a bucket of Ceph RGW', async () => {
    const opened = client(await newBucket())
    return {
      blobs: s3Blobs({ client: opened, prefix: 'a/', partSize: 5 * MiB, refusesToOverwrite: () => true }),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    }
  })

  test('a replica whose disk is lost downloads nothing again, whatever the size', async () => {
    await using upstream = await fakeUpstream()
    await using temp = await tempFolder()
    const blobs = [blobOf(1000, 1), blobOf(8 * MiB, 2), blobOf(33 * MiB + 5, 3)]
    for (const { bytes } of blobs) upstream.addBlob(bytes)
    const bucket = await newBucket()
    const s3 = { ...KEYS, region: REGION, endpoint: rgw.endpoint, bucket }
    const start = () =>
      startProxy({ upstream, folder: temp.path, config: { storage: { root: './data', minFree: 0, s3 } } })
    const pull = async (url: string): Promise<void> => {
      for (const { digest } of blobs) {
        const answer = await fetch(`${url}/v2/library/app/blobs/${digest}`)
        assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digest)
      }
    }
    await using asked = client(bucket)
    const stored = s3Blobs({ client: asked, prefix: '', refusesToOverwrite: () => true })
    {
      await using proxy = await start()
      await pull(proxy.url)
      await eventually(async () => {
        const found = await Promise.all(blobs.map(({ digest }) => stored.stat(digest)))
        return found.every((descriptor) => descriptor !== undefined)
      }, 30_000)
    }
    const sent = upstream.bodyBytes(/blobs/)
    await rm(join(temp.path, 'data'), { recursive: true })
    await using proxy = await start()
    await pull(proxy.url)
    assert.ok(upstream.bodyBytes(/blobs/) - sent < 200_000)
  })
})
