/** What the whole proxy tells a webhook, and that pulls do not wait for it. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Status } from '../../src/ports/insight/insight.ts'
import { runEntrepot } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, indexOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'

const SECRET = 'whsec-of-at-least-16'
const config = Buffer.from('{}')
const layers = [blobOf(150_000, 1), blobOf(150_000, 2)] as const

function addImage(upstream: FakeUpstream, tag: string, layer: Buffer) {
  upstream.addBlob(layer)
  upstream.addBlob(config)
  return upstream.addManifest('library/app', tag, manifestOf([layer]), OCI_MANIFEST)
}

async function pull({ port }: Proxy, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) assert.equal((await call(port, 'GET', `/v2/app/${path}`)).status, 200, path)
}

const configBlob = `blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`

/** The first event of a type. */
async function event(receiver: WebhookReceiver, type: string) {
  await eventually(() => receiver.received.some((event) => event.type === type), 20_000)
  const found = receiver.received.find((event) => event.type === type)!
  assert.ok(found.isGenuine, type)
  return found.data
}

const statusOf = async ({ adminUrl }: Proxy): Promise<Status> =>
  (await (await fetch(`${adminUrl}/api/v1/upstreams`)).json()) as Status

suite('webhooks of the whole proxy', { concurrency: true }, () => {
  test('they are told of images that came, moved and went, and of an upstream that went and came back', async () => {
    await using receiver = await webhookReceiver(SECRET)
    await using upstream = await fakeUpstream()
    const first = addImage(upstream, '1', layers[0].bytes)
    await using folder = await tempFolder()
    await writeFile(join(folder.path, 'secret'), `${SECRET}\n`, { mode: 0o600 })
    await using proxy = await startProxy({
      upstream,
      folder: folder.path,
      config: {
        cache: { tags: [] },
        events: [{ url: `${receiver.url}/hook?token=in-the-url`, secretFile: 'secret' }],
      },
    })
    await pull(proxy, 'manifests/1', configBlob)
    assert.equal(receiver.received.length, 0, 'half an image is none')
    await pull(proxy, `blobs/${layers[0].digest}`)
    const image = 'docker.io/library/app:1'
    assert.deepEqual(await event(receiver, 'image.stored'), { image, digest: first.digest })

    const second = addImage(upstream, '1', layers[1].bytes)
    await pull(proxy, 'manifests/1')
    assert.deepEqual(await event(receiver, 'tag.moved'), { image, from: first.digest, to: second.digest })

    const headers = { 'Content-Type': 'application/json' }
    const body = JSON.stringify({ pattern: image, dryRun: false })
    assert.equal(
      (await fetch(`${proxy.adminUrl}/api/v1/purge`, { method: 'POST', headers, body })).status,
      200,
    )
    assert.deepEqual(await event(receiver, 'image.evicted'), {
      image,
      digest: second.digest,
      reason: 'purge',
    })

    await upstream.stop()
    for (let i = 0; i < 20; i++) await call(proxy.port, 'GET', `/v2/app/manifests/t${i}`)
    const { said, ...down } = await event(receiver, 'upstream.down')
    assert.deepEqual(down, { upstream: 'docker.io', state: 'out' })
    assert.equal(said, 'refuses connections: nothing listens at its address')
    await upstream.start()
    assert.equal((await event(receiver, 'upstream.up'))['upstream'], 'docker.io')

    const ids = receiver.received.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    const { webhooks } = await statusOf(proxy)
    const { name, state, delivered, queued } = webhooks[0]!
    assert.deepEqual([name, state, queued], [`events[0] ${new URL(receiver.url).host}`, 'up', 0])
    assert.equal(delivered, receiver.received.length)
    const { stdout } = await runEntrepot('status', '--server', proxy.adminUrl)
    assert.match(stdout, /^events\[0\] 127\.0\.0\.1:\d+: answered 204 \(\d+ delivered, 0 queued, 0 lost\)$/m)
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    assert.match(
      metrics,
      /^entrepot_webhook_events_total\{webhook="events\[0\] 127[^"]+",result="delivered"\} \d+$/m,
    )
    assert.match(metrics, /^entrepot_webhook_queue\{webhook="events\[0\] 127[^"]+"\} 0$/m)
    const page = await (await fetch(proxy.adminUrl)).text()
    assert.match(page, /<h2>Webhooks<\/h2>/)
    for (const text of [JSON.stringify(proxy.log), stdout, metrics, page])
      assert.ok(!text.includes('in-the-url') && !text.includes(SECRET))
  })

  test('a platform of an index is an image by the tag of the index, once all of it is there', async () => {
    await using receiver = await webhookReceiver(SECRET)
    await using upstream = await fakeUpstream()
    const platforms = layers.map(({ bytes }) => {
      upstream.addBlob(bytes)
      return upstream.addManifest('library/app', undefined, manifestOf([bytes]), OCI_MANIFEST)
    })
    upstream.addBlob(config)
    upstream.addManifest('library/app', 'multi', indexOf(platforms), OCI_INDEX)
    const events = [{ url: receiver.url, secret: SECRET, types: ['image.stored'] }]
    await using proxy = await startProxy({ upstream, config: { events } })
    // The config is stored before the manifest that refers to it.
    await pull(
      proxy,
      configBlob,
      'manifests/multi',
      `manifests/${platforms[1]!.digest}`,
      `blobs/${layers[1].digest}`,
    )
    assert.deepEqual(await event(receiver, 'image.stored'), {
      image: 'docker.io/library/app:multi',
      digest: platforms[1]!.digest,
    })
    assert.equal(receiver.received.length, 1)
  })

  test('a full store and what it evicts, and credentials that are refused', async () => {
    await using receiver = await webhookReceiver(SECRET)
    const auth = { scheme: 'bearer' as const, username: 'ci', password: 'right' }
    await using upstream = await fakeUpstream({ auth })
    await using open = await fakeUpstream()
    const first = addImage(open, 'first', layers[0].bytes)
    const other = [blobOf(400_000, 3), blobOf(400_000, 4)]
    for (const { bytes } of other) open.addBlob(bytes)
    const events = [
      { url: receiver.url, secret: SECRET, types: ['quota', 'image.evicted', 'credentials.refused'] },
    ]
    await using proxy = await startProxy({
      upstream: open,
      config: {
        storage: { root: './data', minFree: 0, maxSize: '900KB' },
        cache: { ttl: '5s', sweep: '* * * * * *' },
        upstreams: {
          'docker.io': { url: open.url },
          'private.test': { url: upstream.url, username: 'ci', password: 'wrong' },
        },
        events,
      },
    })
    await pull(proxy, 'manifests/first', configBlob, `blobs/${layers[0].digest}`)
    await call(proxy.port, 'GET', '/v2/private.test/app/manifests/1')
    assert.equal((await event(receiver, 'credentials.refused'))['upstream'], 'private.test')
    for (const { digest } of other) await pull(proxy, `blobs/${digest}`)
    await event(receiver, 'quota')
    const { reason, digest } = await event(receiver, 'image.evicted')
    // How much room the index leaves decides which of the two comes first.
    assert.match(String(reason), /^(?:ttl|quota)$/)
    assert.equal(digest, first.digest)
    assert.equal(receiver.received.filter(({ type }) => type === 'quota').length, 1)
  })

  test('a receiver that hangs holds no pull, and only what it was told waits', async () => {
    await using receiver = await webhookReceiver(SECRET)
    receiver.behave(() => 'hang')
    await using upstream = await fakeUpstream()
    const events = [{ url: receiver.url, secret: SECRET }]
    await using proxy = await startProxy({ upstream, config: { events } })
    const layer = blobOf(1_000).bytes
    for (let i = 0; i < 20; i++) addImage(upstream, `t${i}`, layer)
    await pull(proxy, configBlob, `blobs/${blobOf(1_000).digest}`)
    const began = performance.now()
    for (let i = 0; i < 20; i++) await pull(proxy, `manifests/t${i}`)
    // One attempt of the webhook takes ten seconds.
    assert.ok(performance.now() - began < 9_000)
    await eventually(async () => (await statusOf(proxy)).webhooks[0]!.queued > 0)
  })
})
