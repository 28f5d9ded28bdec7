/** The forecast of an outage, against what pulls get when the upstream is stopped. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import type { DrillReport, Forecast, PullForecast } from '../../../src/ports/insight/drill.ts'
import { openStore } from '../../storage/setup.ts'
import { runEntrepot } from '../../support/child.ts'
import { fakeUpstream, type FakeUpstream } from '../../support/fake-upstream.ts'
import { descriptorOf, indexOf, manifestOf } from '../../support/fixtures.ts'
import { type Proxy, startProxy } from '../../support/proxy.ts'
import { call } from '../../support/raw-client.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { tempFolder } from '../../support/temp-folder.ts'

const IMAGES = 200
const HOUR = 3_600_000

interface Platform {
  readonly platform: string
  readonly digest: Digest
  readonly parts: readonly Digest[]
}

interface TestImage {
  readonly name: string
  readonly tag: string
  readonly digest: Digest
  readonly platforms: readonly Platform[]
}

/** Its layers are its own but for one, which all images share. */
function addImage(upstream: FakeUpstream, i: number, version = 0): TestImage {
  const name = `library/app-${i}`
  const tag = i % 4 === 0 ? 'old' : i % 4 === 1 ? 'held' : 'v1'
  const make = (architecture: string): Platform & { readonly body: Buffer } => {
    const layers = ['shared', `${i} ${architecture} ${version} one`, `${i} ${architecture} two`].map((text) =>
      Buffer.from(text),
    )
    const config = Buffer.from(JSON.stringify({ os: 'linux', architecture, i, version }))
    const body = manifestOf(layers, { config: descriptorOf(config) })
    for (const blob of [config, ...layers]) upstream.addBlob(blob)
    const { digest } = upstream.addManifest(name, i % 3 === 0 ? undefined : tag, body, OCI_MANIFEST)
    return {
      platform: `linux/${architecture}`,
      digest,
      body,
      parts: [config, ...layers].map((blob) => descriptorOf(blob).digest),
    }
  }
  if (i % 3 !== 0) {
    const one = make('amd64')
    return { name, tag, digest: one.digest, platforms: [one] }
  }
  const platforms = ['amd64', 'arm64'].map(make)
  const manifests = platforms.map(({ body, platform }) =>
    Object.assign(descriptorOf(body, OCI_MANIFEST), {
      platform: { os: 'linux', architecture: platform.slice(6) },
    }),
  )
  const { digest } = upstream.addManifest(name, tag, indexOf(manifests), OCI_INDEX)
  return { name, tag, digest, platforms }
}

async function get({ port }: Proxy, path: string) {
  return call(port, 'GET', `/v2/${path}`)
}

/** Pulls as a client does, and tells what it got; `isPicky` leaves out parts that it does not want. */
async function pull(
  proxy: Proxy,
  { name, platforms }: TestImage,
  reference: string,
  wanted: string | null,
  leaves: (part: Digest) => boolean = () => false,
): Promise<Pick<PullForecast, 'forecast'> & { readonly missing: readonly Digest[] }> {
  const top = await get(proxy, `${name}/manifests/${reference}`)
  if (top.status !== 200) return { forecast: 'gone', missing: [] }
  const isIndex = top.headers['content-type'] === OCI_INDEX
  const { manifests = [] } = JSON.parse(top.body.toString()) as { manifests?: { digest: Digest }[] }
  const own = isIndex
    ? platforms.find(
        (each) => each.platform === wanted && manifests.some(({ digest }) => digest === each.digest),
      )
    : platforms[0]
  if (own === undefined || (isIndex && (await get(proxy, `${name}/manifests/${own.digest}`)).status !== 200))
    return { forecast: 'gone', missing: [] }
  const missing: Digest[] = []
  for (const part of own.parts)
    if (!leaves(part) && (await get(proxy, `${name}/blobs/${part}`)).status !== 200) missing.push(part)
  if (missing.length > 0) return { forecast: 'incomplete', missing: missing.toSorted() }
  // What a cool-down holds back is said instead of that it is stale; no tag of that name is ever fresh.
  const isStale = /stale-if-error|cool-down/.test(String(top.headers['cache-status']))
  return { forecast: isStale ? 'stale' : 'served', missing }
}

async function drillOf({ adminUrl }: Proxy, query = ''): Promise<DrillReport> {
  return (await (await fetch(`${adminUrl}/api/v1/drill${query}`)).json()) as DrillReport
}

test('the forecast for 200 images in mixed states is what happens when the upstream is stopped', async () => {
  const random = seededRandom(20)
  await using upstream = await fakeUpstream()
  await using folder = await tempFolder()
  const tags = [
    { match: '^v1$', fresh: '1d' },
    { match: '.*', fresh: '0s' },
  ]
  const cache = { tags, staleIfError: '1h', coolDown: [{ match: '**:held', for: '1d' }], negative: '0s' }
  const options = { upstream, config: { cache }, folder: folder.path }
  const images = new Map<string, TestImage>()
  const versions = new Map<string, TestImage>()
  /** Without its index, the image of one platform is an image by itself. */
  const remember = (image: TestImage): void => {
    for (const platform of image.platforms)
      versions.set(platform.digest, { ...image, digest: platform.digest, platforms: [platform] })
    versions.set(image.digest, image)
  }
  {
    await using proxy = await startProxy(options)
    for (let i = 0; i < IMAGES; i += 1) {
      const image = addImage(upstream, i)
      const byDigest = i % 7 === 3
      const leaves = (part: Digest) => random.below(6) === 0 && part.length > 0
      for (const { platform } of image.platforms)
        if (random.below(5) > 0)
          await pull(proxy, image, byDigest ? image.digest : image.tag, platform, leaves)
      if (image.tag === 'held' && random.below(2) === 0) {
        // It moves, and clients go on to get the digest before.
        const next = addImage(upstream, i, 1)
        remember(next)
        await pull(proxy, image, image.tag, image.platforms[0]!.platform)
      }
      images.set(image.name, image)
      remember(image)
    }
  }
  {
    await using store = await openStore(join(folder.path, 'data'))
    for (const { name, tag, digest, platforms } of images.values()) {
      const repository = { upstream: 'docker.io', name }
      const known = await store.tags.peek(repository, tag)
      if (known && random.below(8) === 0)
        await store.tags.set(repository, tag, { digest: known.digest, checkedAt: Date.now() - 26 * HOUR })
      const { parts, digest: manifest } = random.pick(platforms)
      const victims = [digest, manifest, parts[0]!, parts[2]!]
      if (random.below(4) === 0) await store.blobs.delete(random.pick(victims))
    }
  }
  await using proxy = await startProxy(options)
  const before = upstream.requests.length
  const report = await drillOf(proxy)
  assert.equal(upstream.requests.length, before, 'a drill sends no request')
  await upstream.stop()

  const seen: Record<Forecast, number> = { served: 0, stale: 0, incomplete: 0, gone: 0 }
  for (const { image, digest, platform, forecast, missing } of report.pulls) {
    const [, reference = ''] = /^docker\.io\/[^:@]+[:@](.+)$/.exec(image)!
    const known = versions.get(digest)!
    const wanted = platform ?? known.platforms[0]!.platform
    const got = await pull(proxy, known, reference, wanted)
    const expected = { forecast, missing: missing.map((part) => part.digest).toSorted() }
    assert.deepEqual(got, expected, `${image} ${platform} ${digest}`)
    seen[forecast] += 1
  }
  assert.deepEqual(report.counts, seen)
  // All states are there, and no image was left out.
  for (const [forecast, count] of Object.entries(seen)) assert.ok(count >= 10, `${forecast}: ${count}`)
  const told = new Set(report.pulls.map(({ image }) => image.replace(/[:@].*$/, '')))
  for (const name of images.keys()) {
    const isKnown = told.has(`docker.io/${name}`)
    const { tag, digest } = images.get(name)!
    if (isKnown) continue
    for (const reference of [tag, digest])
      assert.notEqual((await get(proxy, `${name}/manifests/${reference}`)).status, 200, name)
  }
  const works = seen.served + seen.stale
  assert.equal(report.score, Math.floor((100 * works) / report.pulls.length))
})

test('drill --fix warms and pins what would fail', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream, config: { cache: { tags: [] } } })
  const [whole, partly] = [addImage(upstream, 1), addImage(upstream, 3)]
  await pull(proxy, whole, whole.tag, 'linux/amd64')
  await pull(proxy, partly, partly.tag, 'linux/amd64', (part) => part === partly.platforms[0]!.parts[2])
  const drill = (...args: string[]) => runEntrepot('drill', ...args, '--server', proxy.adminUrl)
  const found = await drill()
  assert.equal(found.code, 1)
  assert.match(found.stdout, /app-3:v1 +linux\/amd64 +incomplete +a part of it cannot be read +entrepot warm/)
  assert.match(found.stdout, /50 % of 2 pulls since .* 1 stale, 1 incomplete, 0 gone$/m)
  assert.equal((await drill('--upstream', 'docker.io')).code, 1)
  assert.equal((await drill('--upstream', 'index.docker.io')).code, 1, 'a name that clients use for it')
  const mistyped = await drill('--upstream', 'docker.oi')
  assert.equal(mistyped.code, 1, 'nothing that would fail is no good news of what there is not')
  assert.match(mistyped.stderr, /404: no upstream docker\.oi is configured/)

  const fixed = await drill('--fix')
  assert.match(fixed.stdout, /^docker\.io\/library\/app-3:v1: fetched and pinned$/m)
  assert.match(fixed.stdout, /^100 % of 2 pulls/m)
  assert.equal(fixed.code, 0)
  const { pins } = (await (await fetch(`${proxy.adminUrl}/api/v1/pins`)).json()) as {
    pins: { pattern: string }[]
  }
  assert.deepEqual(
    pins.map(({ pattern }) => pattern),
    ['docker.io/library/app-3:v1'],
  )
  await upstream.stop()
  assert.equal((await pull(proxy, partly, partly.tag, 'linux/amd64')).forecast, 'stale')
  assert.equal((await fetch(`${proxy.adminUrl}/api/v1/drill?since=soon`)).status, 400)
})

test('what mends an image that tells no platform is a command that runs', async () => {
  await using upstream = await fakeUpstream()
  const parts = [Buffer.from('{}'), Buffer.from('layer')]
  for (const blob of parts) upstream.addBlob(blob)
  upstream.addManifest('library/bare', '1', manifestOf([parts[1]!]), OCI_MANIFEST)
  await using proxy = await startProxy({ upstream })
  await get(proxy, 'library/bare/manifests/1')
  const drill = async () =>
    JSON.parse((await runEntrepot('drill', '--server', proxy.adminUrl, '--json')).stdout) as DrillReport
  const [pull] = (await drill()).pulls
  assert.deepEqual([pull?.forecast, pull?.mend], ['incomplete', 'entrepot warm docker.io/library/bare:1'])
  const words = pull!.mend!.split(' ').slice(1)
  assert.equal((await runEntrepot(...words, '--server', proxy.adminUrl)).code, 0)
  assert.equal((await drill()).pulls[0]?.forecast, 'served')
})
