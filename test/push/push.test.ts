/** Pushing from a proxy that runs, to a registry on a real socket. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { eventually, manifestOf } from '../support/fixtures.ts'
import { KiB, push, scene } from './scene.ts'

suite('a push', () => {
  test('copies images as they are, and fetches what of them is not stored', async () => {
    await using place = await scene()
    const { there, proxy, upstream, arm, plain } = place
    const { report, images } = await push(proxy, `${there.url}/cache`)
    assert.deepEqual(
      [report.images, report.pushed, report.failed, report.mounted],
      [2, 2, 0, 2],
      JSON.stringify([...images.values()]),
    )
    assert.equal(there.pull('cache/org/multi', 'latest'), place.index)
    assert.equal(there.pull('cache/org/single', '1'), place.single)
    for (const { digest } of [arm, plain])
      assert.equal(upstream.count('GET', new RegExp(`blobs/${digest}`)), 1)
    // Bytes that both have, the config among them, are sent once.
    const distinct = 300 * KiB + (40 + 50 + 60) * KiB + 2
    assert.equal(there.received, distinct)
    assert.equal(report.sent, distinct)
  })

  test('that is repeated asks once for each image', async () => {
    await using place = await scene()
    const { there, proxy } = place
    await push(proxy, there.url)
    const before = there.requests.length
    const { report } = await push(proxy, there.url)
    assert.deepEqual([report.pushed, report.unchanged, report.sent], [0, 2, 0])
    assert.deepEqual(
      there.requests.slice(before).map(({ step }) => step),
      ['resolve', 'resolve'],
    )
  })

  test('puts blobs before manifests, children before their index, and the tag last', async () => {
    await using place = await scene()
    const { there, proxy, children } = place
    await push(proxy, there.url, { images: ['org/multi'] })
    const puts = there.requests.filter(({ step }) => step === 'put').map(({ url }) => url.split('/').at(-1))
    assert.deepEqual(puts, [...children.map(({ digest }) => digest), 'latest'])
  })

  test('of one platform is a sparse index, and is told as one', async () => {
    await using place = await scene({ sparse: true })
    const { there, proxy, upstream, arm } = place
    const request = { images: ['org/multi'], platforms: ['linux/amd64'] }
    const { images, report } = await push(proxy, there.url, request)
    assert.equal(report.pushed, 1)
    const image = images.get('docker.io/org/multi:latest')!
    assert.deepEqual(image.sparse, ['linux/amd64'])
    assert.equal(there.pull('org/multi', 'latest', true), place.index)
    assert.throws(() => there.pull('org/multi', 'latest'))
    assert.equal(upstream.count('GET', new RegExp(arm.digest)), 0)
    const again = await push(proxy, there.url, request)
    assert.deepEqual([again.report.unchanged, again.images.get(image.image)!.sparse], [1, ['linux/amd64']])
    // Nobody takes the tag's digest for a sign that all of it is there.
    assert.equal((await push(proxy, there.url, { images: ['org/multi'] })).report.pushed, 1)
    there.pull('org/multi', 'latest')
  })

  test('of one platform fails where the destination wants all, and says so', async () => {
    await using place = await scene()
    const { images, report } = await push(place.proxy, place.there.url, { platforms: ['linux/amd64'] })
    assert.deepEqual([report.failed, report.pushed], [1, 1])
    assert.match(images.get('docker.io/org/multi:latest')!.reason!, /every platform of an index/)
  })

  test('goes on after an image that cannot be had', async () => {
    await using place = await scene()
    const { upstream, there, proxy, children } = place
    upstream.on(new RegExp(children[1]!.digest), { status: 404 })
    const { images, report } = await push(proxy, there.url)
    assert.deepEqual([report.failed, report.pushed], [1, 1])
    assert.match(images.get('docker.io/org/multi:latest')!.reason!, /neither stored nor upstream/)
    assert.throws(() => there.pull('org/multi', 'latest'))
  })

  test('copies what is served while a cool-down holds back what a tag points to', async () => {
    const cache = { coolDown: [{ match: 'org/*', for: '1h' }], tags: [{ match: '.*', fresh: '0s' }] }
    await using place = await scene({}, { cache })
    const { upstream, there, proxy, get, single } = place
    const newer = manifestOf([])
    upstream.addManifest('org/single', '1', newer, OCI_MANIFEST)
    assert.equal(digestOf(Buffer.from(await get('org/single/manifests/1'))), single)
    const { images } = await push(proxy, there.url, { images: ['org/single:1'] })
    assert.equal(there.pull('org/single', '1'), single)
    assert.equal(images.get('docker.io/org/single:1')!.digest, single)
    // Who asks for what is held back gets it, and not under the tag.
    const held = digestOf(newer)
    const byDigest = await push(proxy, there.url, { images: [`org/single@${held}`] })
    assert.equal(byDigest.images.get(`docker.io/org/single@${held}`)!.digest, held)
    assert.equal(there.pull('org/single', '1'), single)
  })

  test('without images that match, or as a rehearsal, asks the destination nothing', async () => {
    await using place = await scene()
    const { there, proxy } = place
    assert.equal((await push(proxy, there.url, { images: ['quay.io/**'] })).report.images, 0)
    const { images, report } = await push(proxy, there.url, { dryRun: true })
    assert.deepEqual([report.images, report.pushed], [2, 0])
    assert.deepEqual([...images.values()].map(({ state, to }) => [state, to]).toSorted(), [
      ['planned', `${new URL(there.url).host}/org/multi:latest`],
      ['planned', `${new URL(there.url).host}/org/single:1`],
    ])
    assert.equal(there.requests.length, 0)
  })

  test('is ended by its client, and its uploads with it', async () => {
    const gate = Promise.withResolvers<void>()
    await using place = await scene({ hold: ({ step }) => (step === 'finish' ? gate.promise : undefined) })
    const { there, proxy } = place
    const leaving = new AbortController()
    const pushing = fetch(`${proxy.adminUrl}/api/v1/push`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ images: ['**'], to: { url: there.url, path: '' } }),
      signal: leaving.signal,
    }).then((answer) => answer.text())
    await eventually(() => there.count('finish') > 0)
    leaving.abort()
    await pushing.catch(() => {})
    await eventually(() => there.count('abandon') > 0)
    gate.resolve()
    await eventually(async () => {
      const { jobs } = (await (await fetch(`${proxy.adminUrl}/api/v1/jobs`)).json()) as {
        jobs: { state: string }[]
      }
      return jobs.every(({ state }) => state === 'cancelled')
    })
    assert.equal(there.count('put'), 0)
  })
})
