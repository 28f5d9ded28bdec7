/** Three replicas of one pull that a balancer spreads: what webhooks are told of it, and a conversion of one for all. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { DOCKER_SCHEMA1_SIGNED, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { schema1Payload, signed } from '../support/schema1.ts'
import { webhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'
import { RGW } from './cluster/ceph-rgw.ts'
import { withoutPostgres } from './cluster/postgres.ts'
import { cluster, type Cluster } from './cluster/replicas.ts'
import { tarOf } from './support/images.ts'
import { TODAY } from './support/old-images.ts'
import { missing } from './support/processes.ts'

const SECRET = 'whsec-of-at-least-16'

suite('what replicas tell and convert', { skip: missing('nginx', ...RGW) || withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  let all: Cluster
  let receiver: WebhookReceiver
  before(async () => {
    receiver = resources.use(await webhookReceiver(SECRET))
    all = resources.use(
      await cluster({
        config: {
          cache: { tags: [{ match: '.*', fresh: '1s' }] },
          events: [{ url: `${receiver.url}/hook`, secret: SECRET }],
        },
        upstreamConfig: { schema1: 'convert' },
      }),
    )
  })
  after(() => resources.disposeAsync())

  const told = (type: string, field: string, value: string) =>
    receiver.received.filter((event) => event.type === type && event.data[field] === value)
  async function get(replica: number, path: string, accept = '*/*'): Promise<Buffer> {
    const answer = await fetch(`${all.replicas[replica]!.url}/v2/${path}`, { headers: { accept } })
    const bytes = Buffer.from(await answer.arrayBuffer())
    assert.equal(answer.status, 200, `${path}: ${bytes.subarray(0, 300)}`)
    return bytes
  }
  function addImage(repository: string, seed: number) {
    const layers = [0, 1, 2, 3].map((i) => blobOf(20_000, seed * 10 + i))
    for (const { bytes } of layers) all.upstream.addBlob(bytes)
    const manifest = manifestOf(layers.map(({ bytes }) => bytes))
    all.upstream.addBlob(Buffer.from('{}'))
    all.upstream.addManifest(repository, 'latest', manifest, OCI_MANIFEST)
    return {
      digest: digestOf(manifest),
      parts: [digestOf(Buffer.from('{}')), ...layers.map((one) => one.digest)],
    }
  }

  test('an image whose parts came to several replicas is told once, and by which one', async () => {
    const { digest, parts } = addImage('library/spread', 1)
    await get(0, 'library/spread/manifests/latest')
    for (const [i, part] of parts.entries()) await get(i % 3, `library/spread/blobs/${part}`)
    const image = 'docker.io/library/spread:latest'
    await eventually(() => told('image.stored', 'image', image).length > 0, 60_000)
    const [{ data, isGenuine }] = told('image.stored', 'image', image) as [
      WebhookReceiver['received'][number],
    ]
    assert.ok(isGenuine)
    assert.deepEqual(data, { image, digest, replica: all.replicas[0]!.url })
    // All of it on each of them is no news.
    for (const replica of [0, 1, 2]) {
      await get(replica, 'library/spread/manifests/latest')
      for (const part of parts) await get(replica, `library/spread/blobs/${part}`)
    }
    addImage('library/spread', 2)
    await eventually(async () => {
      await Promise.all([0, 1, 2].map((replica) => get(replica, 'library/spread/manifests/latest')))
      return told('tag.moved', 'image', image).length > 0
    }, 20_000)
    assert.equal(told('tag.moved', 'image', image).length, 1)
    assert.equal(told('image.stored', 'digest', digest).length, 1)
  })

  test('an upstream that is out, and back, is told by one of the replicas', async () => {
    const stateOf = async (replica: number) => {
      const { adminUrl } = all.replicas[replica]!.service!
      const { upstreams } = (await (await fetch(`${adminUrl}/api/v1/upstreams`)).json()) as {
        upstreams: readonly { name: string; state: string }[]
      }
      return upstreams.find(({ name }) => name === 'docker.io')!.state
    }
    const areAll = async (state: string) => {
      const path = `library/nothing-${Math.random()}/manifests/latest`.replace('0.', '')
      await Promise.all(all.replicas.map(async ({ url }) => (await fetch(`${url}/v2/${path}`)).arrayBuffer()))
      return (await Promise.all([0, 1, 2].map(stateOf))).every((each) => each === state)
    }
    await all.upstream.stop()
    await eventually(() => areAll('out'), 60_000)
    await eventually(() => told('upstream.down', 'upstream', 'docker.io').length > 0, 10_000)
    await all.upstream.start()
    await eventually(() => areAll('up'), 60_000)
    await eventually(() => told('upstream.up', 'upstream', 'docker.io').length > 0, 10_000)
    // What would be told besides has been decided: a later event is there.
    const { parts } = addImage('library/later', 3)
    for (const replica of [0, 1, 2]) {
      await get(replica, 'library/later/manifests/latest')
      for (const part of parts) await get(replica, `library/later/blobs/${part}`)
    }
    const later = 'docker.io/library/later:latest'
    await eventually(() => told('image.stored', 'image', later).length > 0, 60_000)
    const addresses = new Set(all.replicas.map(({ url }) => url))
    for (const type of ['upstream.down', 'upstream.up']) {
      const events = told(type, 'upstream', 'docker.io')
      assert.equal(events.length, 1, JSON.stringify(events))
      assert.ok(addresses.has(String(events[0]!.data['replica'])))
    }
  })

  test('an image of schema 1 that one replica converted is served by the others, also while upstream is away', async () => {
    const tars = ['one', 'two'].map((name) => tarOf(name, blobOf(30_000, name.length).bytes))
    const layers = tars.map((tar) => ({ blob: gzipSync(tar), json: { os: 'linux' } }))
    for (const { blob } of layers) all.upstream.addBlob(blob)
    const payload = schema1Payload(layers)
    all.upstream.content.addManifest(
      'library/old',
      'v1',
      signed(payload),
      DOCKER_SCHEMA1_SIGNED,
      digestOf(payload),
    )
    const manifest = await get(0, 'library/old/manifests/v1', TODAY)
    const { config } = JSON.parse(String(manifest)) as { config: { digest: Digest } }
    const configBytes = await get(0, `library/old/blobs/${config.digest}`)
    assert.equal(digestOf(configBytes), config.digest)
    await eventually(async () => (await all.replicas[0]!.metric('entrepot_s3_waiting_uploads')) === 0, 30_000)
    const asked = all.upstream.requests.length
    await all.upstream.stop()
    try {
      for (const replica of [1, 2]) {
        const path = 'library/old/manifests'
        assert.deepEqual(await get(replica, `${path}/v1`, TODAY), manifest, `tag, on ${replica}`)
        assert.deepEqual(await get(replica, `${path}/${digestOf(manifest)}`, TODAY), manifest)
        assert.deepEqual(await get(replica, `library/old/blobs/${config.digest}`), configBytes)
        for (const { blob } of layers)
          assert.deepEqual(await get(replica, `library/old/blobs/${digestOf(blob)}`), blob)
      }
      assert.equal(all.upstream.requests.length, asked)
    } finally {
      await all.upstream.start()
    }
  })
})
