import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetchImage, type PartProgress } from '../../src/images/fetch-image.ts'
import { eventually } from '../support/fixtures.ts'
import { rig } from '../support/rig.ts'
import { addMultiImage, imageUpstream, storedCheck } from './image-upstream.ts'

test('an image is fetched once, each blob once, and a second time costs nothing', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  const { index, amd64, arm64 } = addMultiImage(upstream)
  const seen: PartProgress[] = []
  const progress = (part: PartProgress) => void seen.push(part)
  const isStored = storedCheck(proxy)
  const first = await fetchImage(proxy.repository(), index, { isStored, progress, referrers: true })
  assert.deepEqual(first.missing, [])
  assert.deepEqual(first.platforms, ['linux/amd64', 'linux/arm64/v8'])
  assert.deepEqual([first.manifests, first.blobs], [5, 6])
  assert.equal(upstream.count('GET', /blobs/), 6)
  for (const digest of [...amd64.layers, ...arm64.layers]) {
    const last = seen.findLast((part) => part.digest === digest)!
    assert.deepEqual([last.done, last.wasStored], [last.size, false])
    assert.equal((await proxy.store.blobs.stat(digest))?.size, last.size)
  }
  const before = upstream.requests.length
  const second = await fetchImage(proxy.repository(), index, { isStored, progress })
  assert.deepEqual([second.fetched, second.missing], [0, []])
  assert.equal(upstream.requests.length, before)
})

test('a layer that cannot be had is reported with its platform, and the rest comes', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream })
  const { index, arm64 } = addMultiImage(upstream)
  upstream.content.blobs.delete(arm64.layers[1]!)
  const { missing } = await fetchImage(proxy.repository(), index, { isStored: storedCheck(proxy) })
  assert.deepEqual(
    missing.map(({ what, digest, platform, error }) => [what, digest, platform, error]),
    [['blob', arm64.layers[1], 'linux/arm64/v8', undefined]],
  )
})

test('an aborted fetch ends at once, and leaves no download that nobody reads', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await rig({ upstream, policy: { finishFrom: 1, finishBelow: 0 } })
  const { index, amd64 } = addMultiImage(upstream)
  upstream.on(new RegExp(`blobs/${amd64.layers[0]}`), { atByte: { k: 1000, then: 'stall' } })
  const leaving = new AbortController()
  const fetching = fetchImage(proxy.repository(), index, {
    isStored: storedCheck(proxy),
    signal: leaving.signal,
  })
  fetching.catch(() => {})
  await eventually(() =>
    proxy.downloads.list().some(({ digest, filled }) => digest === amd64.layers[0] && filled > 0),
  )
  leaving.abort(new Error('enough'))
  await assert.rejects(fetching, { message: 'enough' })
  await eventually(() => proxy.downloads.list().length === 0)
})
