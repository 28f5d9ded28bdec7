/**
 * The hour of soak grew by half a megabyte a minute: Node keeps a signal that stands for others as long as
 * somebody listens to it, and each request left a listener behind.
 */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { upstreamClient } from '../../src/upstream/client.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'

/** The listeners to the abort of signals that were not aborted, by signal. */
function watchListeners() {
  const open = new Map<EventTarget, Set<unknown>>()
  const { addEventListener: add, removeEventListener: remove } = EventTarget.prototype
  const methods = [
    mock.method(EventTarget.prototype, 'addEventListener', function (this: EventTarget, ...args: never[]) {
      const [type, listener] = args as unknown as [string, unknown]
      if (type === 'abort') open.set(this, (open.get(this) ?? new Set()).add(listener))
      return Reflect.apply(add, this, args)
    }),
    mock.method(EventTarget.prototype, 'removeEventListener', function (this: EventTarget, ...args: never[]) {
      open.get(this)?.delete((args as unknown as [string, unknown])[1])
      return Reflect.apply(remove, this, args)
    }),
  ]
  return {
    count: () => [...open].reduce((sum, [, listeners]) => sum + listeners.size, 0),
    [Symbol.dispose]: () => methods.forEach((method) => method.mock.restore()),
  }
}

test('nobody listens to the signals of requests that are over, however they ended', async () => {
  await using upstream = await fakeUpstream()
  const [whole, broken, left] = [blobOf(100_000, 1), blobOf(100_000, 2), blobOf(1_000_000, 3)]
  for (const { bytes } of [whole, broken, left]) upstream.addBlob(bytes)
  upstream.addManifest('app', '1', manifestOf([whole.bytes]), OCI_MANIFEST)
  upstream.on(new RegExp(broken.digest), { atByte: { k: 1_000, then: 'reset' }, times: Infinity })
  const silent = { answered() {}, denied() {}, received() {}, rateLimit() {}, credentials() {}, circuit() {} }
  const client = upstreamClient({
    name: 'fake',
    url: upstream.url,
    timeouts: { connect: 1_000, headers: 5_000, idle: 5_000 },
    telemetry: silent,
  })
  const app = client.repository('app')
  const { signal } = new AbortController()
  using listeners = watchListeners()
  const resolved = await app.resolve('1', signal)
  await app.manifest(resolved!.digest, signal)
  assert.equal(await app.resolve('2', signal), undefined)
  await app.statBlob(whole.digest, signal)
  for await (const _ of (await app.blob(whole.digest, undefined, signal))!);
  await assert.rejects(async () => {
    for await (const _ of (await app.blob(broken.digest, undefined, signal))!);
  })
  for await (const _ of (await app.blob(left.digest, undefined, signal))!) break
  await upstream.stop()
  await assert.rejects(app.resolve('1', signal))
  await eventually(() => listeners.count() === 0)
  await client.close()
})
