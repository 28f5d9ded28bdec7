import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isRegistryError } from '../../src/oci/errors.ts'
import { probeAbilities } from '../../src/s3/abilities.ts'
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { type FakeS3, fakeS3, S3_LOGIN } from './fake-s3.ts'
import { bytesOf, readerOf, remoteBlobsSuite } from './remote-blobs-suite.ts'

const MiB = 1024 * 1024

async function opened(now?: () => number) {
  await using starting = new AsyncDisposableStack()
  const s3: FakeS3 = starting.use(await fakeS3())
  const answers: string[] = []
  const client = starting.use(
    new S3Client({
      ...S3_LOGIN,
      endpoint: s3.url,
      timeouts: { connect: 1_000, headers: 300, idle: 300 },
      telemetry: { answered: (operation, status) => answers.push(`${operation} ${status}`) },
      ...(now && { now }),
    }),
  )
  const blobs = s3Blobs({ client, prefix: 'cache/', partSize: 5 * MiB, refusesToOverwrite: () => true })
  const resources = starting.move()
  return { s3, client, blobs, answers, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

remoteBlobsSuite('a bucket of a fake S3', opened)

suite('S3: faults', () => {
  test('what it cannot do is found, and the scratch object is gone', async () => {
    await using remote = await opened()
    const right = { refusesToOverwrite: true, verifiesUploads: true, hasRanges: true }
    assert.deepEqual(await probeAbilities(remote.client, 'cache/'), right)
    remote.s3.lacks = new Set(['ranges', 'conditions', 'verification'])
    const wrong = { refusesToOverwrite: false, verifiesUploads: false, hasRanges: false }
    assert.deepEqual(await probeAbilities(remote.client, 'cache/'), wrong)
    assert.equal(remote.s3.objects.size, 0)
  })

  test('a clock that is hours off is corrected by the date of the service', async () => {
    await using remote = await opened(() => Date.now() - 5 * 3_600_000)
    const { bytes, digest } = blobOf(1000)
    await remote.blobs.put(readerOf(bytes, digest))
    await remote.blobs.stat(digest)
    assert.deepEqual(remote.answers, ['put 403', 'put 200', 'stat 200'])
  })

  test('an upload of several parts that fails leaves no parts behind', async () => {
    await using remote = await opened()
    const { bytes, digest } = blobOf(11 * MiB)
    const reader = readerOf(bytes, digest)
    const breaking = {
      ...reader,
      read: async (buffer: Buffer, position: number) =>
        position > 6 * MiB ? Promise.reject(new Error('a bad sector')) : reader.read(buffer, position),
    }
    await assert.rejects(remote.blobs.put(breaking), /bad sector/)
    assert.equal(remote.s3.openUploads, 0)
    assert.equal(remote.s3.objects.size, 0)
  })

  test('a body that breaks off fails as an upstream does', async () => {
    await using remote = await opened()
    const { bytes, digest } = blobOf(MiB)
    await remote.blobs.put(readerOf(bytes, digest))
    remote.s3.breakAfter = 100_000
    const body = (await remote.blobs.open(digest, undefined))!
    await assert.rejects(bytesOf(body), (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE'))
    assert.deepEqual(await bytesOf((await remote.blobs.open(digest, { start: 5 }))!), bytes.subarray(5))
  })

  for (const mode of ['hang', 'reset', 503] as const) {
    test(`while it does not answer (${mode}), requests fail at once, until it does again`, async () => {
      await using remote = await opened()
      const { bytes, digest } = blobOf(1000)
      await remote.blobs.put(readerOf(bytes, digest))
      remote.s3.mode = mode
      await assert.rejects(remote.blobs.stat(digest), (error) =>
        isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT'),
      )
      const asked = remote.s3.requests.length
      for (let i = 0; i < 20; i++) {
        await assert.rejects(remote.blobs.stat(digest), (error) =>
          isRegistryError(error, 'UPSTREAM_UNAVAILABLE'),
        )
      }
      assert.equal(remote.s3.requests.length, asked)
      remote.s3.mode = 'right'
      await eventually(async () => (await remote.blobs.stat(digest).catch(() => undefined)) !== undefined)
    })
  }

  test('a wrong key is told as a denial', async () => {
    await using s3 = await fakeS3()
    await using client = new S3Client({
      ...S3_LOGIN,
      credentials: () => ({ accessKeyId: 'other', secretAccessKey: 'x' }),
      endpoint: s3.url,
      timeouts: { connect: 1_000, headers: 300, idle: 300 },
      telemetry: { answered() {} },
    })
    await assert.rejects(probeAbilities(client, ''), (error) => isRegistryError(error, 'UPSTREAM_DENIED'))
  })
})
