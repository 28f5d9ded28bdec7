import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Image } from '../../src/ports/operations.ts'
import type { PushedImage } from '../../src/ports/moving/push.ts'
import { createPush } from '../../src/upload/images/push.ts'
import { fakeDestination } from '../support/fake-destination.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { rig as cacheRig } from '../support/rig.ts'
import { uploadRig } from './setup.ts'

const IMAGES = 30

/** A push of so many small images. */
async function pushTo(url: string): Promise<ReadonlyMap<string, PushedImage>> {
  await using upstream = await fakeUpstream()
  await using cache = await cacheRig({ upstream })
  await using rig = uploadRig(url)
  upstream.addBlob(Buffer.from('{}'))
  const images = Array.from({ length: IMAGES }, (_, i): Image => {
    const layer = blobOf(100, i + 1).bytes
    upstream.addBlob(layer)
    const { digest } = upstream.addManifest('library/app', `${i}`, manifestOf([layer]), OCI_MANIFEST)
    const repository = { upstream: 'fake', name: 'library/app' }
    const uses = { lastUsed: 0, hits: 0, isPinned: false, isVanishing: false }
    return { repository, tag: `${i}`, digest, size: 0, unshared: 0, ...uses }
  })
  const push = createPush({
    catalogue: { images: async () => images },
    source: () => cache.repository(),
    heldOf: async () => undefined,
    uploads: rig.manager,
    open: () => ({ destination: rig.destination, async [Symbol.asyncDispose]() {} }),
    paceOf: () => ({ charge: () => 0 }),
  })
  const told = new Map<string, PushedImage>()
  const report = await push(
    {
      images: [parseImagePattern('**')!],
      to: { url, path: '' },
      platforms: [],
      referrers: false,
      withUpstream: false,
      dryRun: false,
    },
    {
      signal: new AbortController().signal,
      put(_, step) {
        if (step.step === 'images') for (const image of step.images) told.set(image.image, image)
      },
    },
  )
  const count = (state: PushedImage['state']) =>
    [...told.values()].filter((image) => image.state === state).length
  assert.deepEqual(
    [report.pushed, report.failed, report.notTried],
    [count('pushed'), count('failed'), count('not tried')],
  )
  return told
}

test('the rest of a push is not tried when the destination cannot be reached any more', async () => {
  const told = [...(await pushTo('http://127.0.0.1:1')).values()]
  const failed = told.filter(({ state }) => state === 'failed')
  assert.ok(failed.length >= 4 && failed.length <= 8, `${failed.length}`)
  for (const { reason } of failed) assert.match(reason!, /^127\.0\.0\.1:1: unavailable \(ECONNREFUSED\)$/)
  assert.ok(told.every(({ state }) => state === 'failed' || state === 'not tried'))
})

test('images that the destination refuses one by one do not stop the others', async () => {
  await using there = await fakeDestination({
    fault: ({ step, url }) => (step === 'put' && /\/1\d$/.test(url) ? 400 : undefined),
  })
  const told = [...(await pushTo(there.url)).values()]
  assert.equal(told.filter(({ state }) => state === 'pushed').length, IMAGES - 10)
  const failed = told.filter(({ state }) => state === 'failed')
  assert.equal(failed.length, 10)
  for (const { reason } of failed) assert.match(reason!, /unexpected answer \(400\)/)
})
