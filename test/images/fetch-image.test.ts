import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetchImage, type PartProgress } from '../../src/images/fetch-image.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { Repository } from '../../src/ports/repository.ts'
import { blobOf, descriptorOf, eventually, manifestOf } from '../support/fixtures.ts'
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

test('an image whose blobs the queue refuses is given up after ten minutes, however many they are', async (t) => {
  const layers = Array.from({ length: 12 }, (_, i) => blobOf(10, i).bytes)
  const body = manifestOf(layers)
  const { digest } = descriptorOf(body)
  const descriptor = { ...descriptorOf(body), mediaType: OCI_MANIFEST }
  let asked = 0
  let time = 0
  t.mock.method(performance, 'now', () => time)
  const repository = {
    name: { upstream: 'docker.io', name: 'org/app' },
    manifests: { get: async () => ({ descriptor, body }) },
    blobs: {
      stat: async () => undefined,
      async open() {
        asked += 1
        time += 400_000
        throw new RegistryError('TOOMANYREQUESTS', {})
      },
    },
  } as unknown as Repository
  const { missing } = await fetchImage(repository, digest, { isStored: async () => false, atOnce: 1 })
  // The config and the layers: the first one twice, and when the time is over each of the others once.
  assert.deepEqual([missing.length, asked], [layers.length + 1, layers.length + 2])
})
