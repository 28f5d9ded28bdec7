/** `entrepot migrate store --to s3`: a filled store is uploaded, and becomes the tier. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { stringify } from 'yaml'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeS3, fakeS3, S3_CONFIG } from '../s3/fake-s3.ts'
import { openStore, put } from '../storage/setup.ts'
import { MAIN, runEntrepot } from '../support/child.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'

const blobs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((seed) => blobOf(seed * 50_000, seed))
const manifest = blobOf(900, 99)

async function filled(folder: string, s3: FakeS3): Promise<string> {
  const root = join(folder, 'data')
  await using store = await openStore(root)
  for (const blob of blobs) await put(store, blob)
  await put(store, manifest, OCI_MANIFEST)
  const file = join(folder, 'proxy.config.yaml')
  await writeFile(file, stringify({ storage: { root, s3: { ...S3_CONFIG, endpoint: s3.url } } }))
  return file
}

suite('migrate store', () => {
  test('everything is uploaded under its media type, once, and again after an interruption', async () => {
    await using temp = await tempFolder()
    await using s3 = await fakeS3()
    const file = await filled(temp.path, s3)
    const migrate = () => runEntrepot('migrate', 'store', '--to', 's3', '--json', '--config', file)
    const first = await migrate()
    assert.equal(first.code, 0, first.stderr)
    const { checked, uploaded } = JSON.parse(first.stdout) as Record<string, { objects: number }>
    assert.deepEqual([checked!.objects, uploaded!.objects], [12, 12])
    for (const { digest } of [...blobs, manifest]) {
      const hex = hexOf(digest)
      const object = s3.objects.get(`blobs/sha256/${hex.slice(0, 2)}/${hex}`)!
      assert.equal(digestOf(object.bytes), digest)
      assert.equal(object.type, digest === manifest.digest ? OCI_MANIFEST : 'application/octet-stream')
    }
    const [gone] = s3.objects.keys()
    s3.objects.delete(gone!)
    const second = JSON.parse((await migrate()).stdout) as Record<string, { objects: number }>
    assert.equal(second['uploaded']!.objects, 1)
    assert.equal(s3.objects.size, 12)
  })

  test('a migration that is killed halfway leaves whole objects only, and the next one uploads the rest', async () => {
    await using temp = await tempFolder()
    await using s3 = await fakeS3()
    const file = await filled(temp.path, s3)
    const args = ['migrate', 'store', '--to', 's3', '--json', '--config', file]
    s3.most = 4
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    await eventually(() => s3.objects.size === 4, 60_000)
    child.kill('SIGKILL')
    await ended
    // What was under way when it was killed counts as there only when it is whole.
    const there = [...s3.objects].filter(([key]) => key.startsWith('blobs/'))
    for (const [key, { bytes }] of there) assert.equal(hexOf(digestOf(bytes)), key.slice(-64))
    s3.most = Infinity
    const before = s3.requests.filter((request) => request.startsWith('PUT blobs/')).length
    const { code, stdout, stderr } = await runEntrepot(...args)
    assert.equal(code, 0, stderr)
    const { uploaded } = JSON.parse(stdout) as Record<string, { objects: number }>
    assert.equal(uploaded!.objects, 12 - there.length)
    const puts = s3.requests.filter((request) => request.startsWith('PUT blobs/')).length - before
    assert.equal(puts, 12 - there.length)
    for (const { digest } of [...blobs, manifest]) {
      const hex = hexOf(digest)
      assert.equal(digestOf(s3.objects.get(`blobs/sha256/${hex.slice(0, 2)}/${hex}`)!.bytes), digest)
    }
  })

  test('what is damaged is told, and not uploaded', async () => {
    await using temp = await tempFolder()
    await using s3 = await fakeS3()
    const file = await filled(temp.path, s3)
    const hex = hexOf(blobs[3]!.digest)
    await writeFile(join(temp.path, 'data/blobs/sha256', hex.slice(0, 2), hex), Buffer.alloc(200_000))
    const { code, stderr, stdout } = await runEntrepot('migrate', 'store', '--to', 's3', '--config', file)
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`${blobs[3]!.digest} is damaged here`))
    assert.match(stdout, /^uploaded 11 objects, .* of 12 objects/)
    assert.equal(s3.objects.size, 11)
  })

  test('a wrong use, a bucket that is away and one without configuration are told', async () => {
    await using temp = await tempFolder()
    await using s3 = await fakeS3()
    const file = await filled(temp.path, s3)
    assert.equal((await runEntrepot('migrate', 'store', '--config', file)).code, 64)
    s3.mode = 'reset'
    const away = await runEntrepot('migrate', 'store', '--to', 's3', '--config', file)
    assert.equal(away.code, 1)
    assert.match(away.stderr, /storage\.s3 cannot be used/)
    await writeFile(file, stringify({ storage: { root: join(temp.path, 'data') } }))
    const none = await runEntrepot('migrate', 'store', '--to', 's3', '--config', file)
    assert.equal(none.code, 64)
    assert.match(none.stderr, /needs storage\.s3/)
  })
})
