import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
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
  now += 91 * DAY
  assert.equal(await find(of, 'layer', content.id), undefined)
})
