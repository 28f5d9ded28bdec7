import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { blobOf } from '../support/fixtures.ts'
import { addImage, pattern } from './images.ts'
import { storeFolder } from './setup.ts'

const of = { endpoint: 'docker.io (https://old)', repository: 'library/old' }
const content = { id: 'a'.repeat(64), digest: digestOf(Buffer.from('layer')), size: 5 }
const DAY = 86_400_000

test('what ids of the first protocol are outlives a restart, belongs to one repository, and is forgotten', async () => {
  await using folder = await storeFolder()
  let now = 1_700_000_000_000
  const open = () => folder.open({ now: () => now })
  {
    await using store = await open()
    await store.v1.add(of, 'layer', content)
  }
  await using store = await open()
  const { find, findDigest } = store.v1
  assert.deepEqual(await find(of, 'layer', content.id), content)
  assert.deepEqual(await findDigest(of, 'layer', content.digest), content)
  assert.equal(await find(of, 'manifest', content.id), undefined)
  assert.equal(await find({ ...of, repository: 'library/other' }, 'layer', content.id), undefined)
  assert.equal(
    await findDigest({ ...of, endpoint: 'docker.io (https://x)' }, 'layer', content.digest),
    undefined,
  )
  const other = { ...content, digest: digestOf(Buffer.from('other')), size: 6 }
  await store.v1.add(of, 'layer', other)
  assert.deepEqual(await find(of, 'layer', content.id), other)
  assert.equal(await findDigest(of, 'layer', content.digest), undefined)
  assert.deepEqual(await find(of, 'layer', content.id), other)
  now += 91 * DAY
  assert.equal(await find(of, 'layer', content.id), undefined)
})

test('what is purged of a repository is forgotten at every endpoint of its upstream, and of no other', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  const [layer] = [blobOf(2_000, 1)]
  const image = await addImage(store, 'docker.io/library/old', '1', [layer])
  await addImage(store, 'docker.io/library/other', '1', [layer])
  const endpoints = ['docker.io', 'docker.io (https://a)', 'docker.io (https://b)']
  const others = ['docker.io2', 'docker.ioa (https://a)', 'a.io', 'zz.io (https://a)']
  const rows = [...endpoints, ...others].flatMap((endpoint) =>
    ['library/old', 'library/other'].map((repository) => ({ endpoint, repository })),
  )
  for (const [i, row] of rows.entries()) {
    await store.v1.add(row, 'layer', { id: `layer-${i}`, digest: layer.digest, size: 2_000 })
    await store.v1.add(row, 'manifest', { id: `image-${i}`, digest: image.digest, size: 100 })
  }
  await store.catalogue.purge(pattern('docker.io/library/old'), { dryRun: false })
  for (const row of rows) {
    const isGone = endpoints.includes(row.endpoint) && row.repository === 'library/old'
    const found = [
      await store.v1.findDigest(row, 'layer', layer.digest),
      await store.v1.findDigest(row, 'manifest', image.digest),
    ]
    assert.deepEqual(
      found.map((each) => each === undefined),
      [isGone, isGone],
      JSON.stringify(row),
    )
  }
})
