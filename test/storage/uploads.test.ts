import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { uploadTurns } from '../../src/cluster/upload-turns.ts'
import type { Leases } from '../../src/cluster/leases.ts'
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import { realFiles } from '../../src/storage/files.ts'
import { openUploads } from '../../src/storage/uploads.ts'
import { type FakeS3, fakeS3, S3_LOGIN } from '../s3/fake-s3.ts'
import { type Blob, blobOf, eventually } from '../support/fixtures.ts'
import { put, storeFolder } from './setup.ts'

const MiB = 1024 * 1024
const PART = 5 * MiB
const large = blobOf(12 * MiB, 1)
const small = blobOf(1000, 2)

/** The leases of all replicas, as the database has them. */
type Table = Map<string, string>

function leasesOf(table: Table, id: string): Pick<Leases, 'claim' | 'release'> {
  return {
    async claim(key) {
      const address = table.get(key) ?? id
      table.set(key, address)
      return address === id ? 'own' : { address, detail: '' }
    },
    async release(key) {
      if (table.get(key) === id) table.delete(key)
    },
  }
}

/** A replica that has these blobs, and what it has not uploaded. */
async function replica(s3: FakeS3, table: Table, id: string, blobs: readonly Blob[]) {
  await using starting = new AsyncDisposableStack()
  const folder = starting.use(await storeFolder())
  const store = starting.use(await folder.open())
  for (const blob of blobs) await put(store, blob)
  const client = starting.use(
    new S3Client({
      ...S3_LOGIN,
      endpoint: s3.url,
      timeouts: { connect: 1_000, headers: 60_000, idle: 60_000 },
      telemetry: { answered() {} },
    }),
  )
  const remote = s3Blobs({ client, prefix: '', partSize: PART, refusesToOverwrite: () => true })
  const uploads = starting.use(
    await openUploads({
      files: realFiles(),
      folder: join(folder.path, 'uploads'),
      open: store.peek,
      remote,
      turns: uploadTurns(leasesOf(table, id)),
      failed: (_, error) => assert.ifError(error),
      changed() {},
    }),
  )
  const resources = starting.move()
  return { uploads, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

const keyOf = (blob: Blob): string => `upload ${blob.digest}`
const parts = (s3: FakeS3): number => s3.requests.filter((request) => request.startsWith('PUT ')).length

suite('what several replicas have', () => {
  test('of a large blob one uploads the parts, and the others wait for it', async () => {
    await using s3 = await fakeS3()
    const table: Table = new Map()
    await using one = await replica(s3, table, 'one', [large])
    await using two = await replica(s3, table, 'two', [large])
    await using three = await replica(s3, table, 'three', [large])
    const all = [one, two, three]
    for (const { uploads } of all) uploads.add(large.digest)
    await Promise.all(all.map(({ uploads }) => uploads.uploaded(large.digest)))
    assert.equal(parts(s3), Math.ceil(large.bytes.length / PART))
    assert.deepEqual(
      all.map(({ uploads }) => uploads.waiting.size),
      [0, 0, 0],
    )
    assert.equal(table.size, 0)
  })

  test('while others upload large ones, this one uploads the rest, and takes over what they leave', async () => {
    await using s3 = await fakeS3()
    const larges = Array.from({ length: 5 }, (_, i) => blobOf(9 * MiB, 10 + i))
    const table: Table = new Map(larges.map((blob) => [keyOf(blob), 'two']))
    await using one = await replica(s3, table, 'one', [...larges, small])
    for (const { digest } of [...larges, small]) one.uploads.add(digest)
    await one.uploads.uploaded(small.digest)
    assert.deepEqual([s3.objects.size, one.uploads.waiting.size], [1, 5])
    // The other one has died.
    table.clear()
    await eventually(() => s3.objects.size === 6, 30_000)
    await eventually(() => one.uploads.waiting.size === 0)
  })

  test('what is deleted while another one uploads it waits for nothing, and may be added again', async () => {
    await using s3 = await fakeS3()
    const table: Table = new Map([[keyOf(large), 'two']])
    await using one = await replica(s3, table, 'one', [large])
    one.uploads.add(large.digest)
    const uploaded = one.uploads.uploaded(large.digest)
    await one.uploads.cancel([large.digest])
    await uploaded
    assert.deepEqual([one.uploads.waiting.size, s3.objects.size], [0, 0])
    table.clear()
    one.uploads.add(large.digest)
    await one.uploads.uploaded(large.digest)
    assert.equal(s3.objects.size, 1)
  })
})
