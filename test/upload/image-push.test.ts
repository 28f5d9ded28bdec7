/** Images on their way to a destination where something goes wrong, once, at each step: they arrive as they are. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { ImagePush } from '../../src/upload/images/image-push.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import {
  type FakeDestination,
  fakeDestination,
  type FakeDestinationOptions,
  type Fault,
  type RequestStep,
} from '../support/fake-destination.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, indexOf, manifestOf } from '../support/fixtures.ts'
import { rig as cacheRig } from '../support/rig.ts'
import { uploadRig } from './setup.ts'

const KiB = 1024
const SIGNAL = new AbortController().signal

/** An image of two platforms in a cache, and what pushes it. */
async function scene(options: FakeDestinationOptions) {
  await using starting = new AsyncDisposableStack()
  const upstream = starting.use(await fakeUpstream())
  const there = starting.use(await fakeDestination(options))
  const cache = starting.use(await cacheRig({ upstream }))
  const uploads = starting.use(uploadRig(there.url, { policy: { chunk: 64 * KiB } }))
  const layers = [300 * KiB, 20 * KiB, 30 * KiB].map((size, i) => blobOf(size, i + 1).bytes)
  for (const bytes of [Buffer.from('{}'), ...layers]) upstream.addBlob(bytes)
  const manifests = [1, 2].map((own) => {
    const body = manifestOf([layers[0]!, layers[own]!])
    return upstream.addManifest('library/app', undefined, body, OCI_MANIFEST)
  })
  const index = upstream.addManifest('library/app', '1', indexOf(manifests), OCI_INDEX)
  const running = starting.move()
  return {
    there,
    digest: index.digest,
    bytes: layers.reduce((sum, { length }) => sum + length, 2),
    push: (repository: string) =>
      new ImagePush({
        uploads: uploads.manager,
        destination: uploads.destination,
        repository,
        source: cache.repository(),
        platforms: undefined,
        withReferrers: false,
        seen: new Set(),
        signal: SIGNAL,
      }).run(index.digest, '1'),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** The first request of this step fails, of those that bring bytes the second. */
function once(step: RequestStep, fault: Fault): NonNullable<FakeDestinationOptions['fault']> {
  let isOver = false
  return (request, count) => {
    if (isOver || request.step !== step || (step === 'append' && count < 2)) return undefined
    isOver = true
    return fault
  }
}

const STEPS: readonly RequestStep[] = ['resolve', 'check', 'mount', 'begin', 'append', 'finish', 'put']
const FAULTS: readonly Fault[] = ['before', 'after', 503, { status: 429, headers: { 'retry-after': '0' } }]

suite('an image that is pushed to two repositories arrives as it is', () => {
  for (const step of STEPS) {
    for (const fault of FAULTS) {
      test(`although the destination fails at ${step}: ${JSON.stringify(fault)}`, async () => {
        await using place = await scene({ fault: once(step, fault) })
        await assertArrives(place)
      })
    }
  }

  for (const mount of ['session', 'refuses', 'denies'] as const) {
    test(`where mounts are answered with ${mount}`, async () => {
      await using place = await scene({ mount })
      await assertArrives(place)
    })
  }

  for (const options of [{ leastChunk: 100 * KiB }, { mostChunk: 70 * KiB }]) {
    test(`where the destination demands ${JSON.stringify(options)}`, async () => {
      await using place = await scene(options)
      await assertArrives(place)
    })
  }

  async function assertArrives({
    there,
    digest,
    push,
  }: {
    there: FakeDestination
    digest: string
    push(repository: string): Promise<unknown>
  }): Promise<void> {
    for (const repository of ['site/one', 'site/two']) {
      await push(repository)
      assert.equal(there.pull(repository, '1'), digest)
    }
  }
})

test('an image is not begun again for a tag that is all that is missing', async () => {
  await using place = await scene({})
  const { there, push, bytes } = place
  await push('site/one')
  there.manifests.get('site/one')!.delete('1')
  const before = there.requests.length
  const { isUnchanged, sent } = await push('site/one')
  assert.deepEqual([isUnchanged, sent, there.received], [false, 0, bytes])
  const steps = there.requests.slice(before).map(({ step }) => step)
  // The tag and its digest, which is known.
  assert.deepEqual(steps, ['resolve', 'resolve', 'put'])
})

test('an image whose upload is denied fails, and leaves no upload behind', async () => {
  await using place = await scene({
    fault: ({ step }, count) => (step === 'finish' && count > 1 ? 403 : undefined),
  })
  await assert.rejects(place.push('site/one'), (error) => isRegistryError(error, 'UPSTREAM_DENIED'))
  await eventually(() => place.there.sessions.size === 0)
  assert.equal(place.there.manifests.size, 0)
})
