import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { DriftReport } from '../../src/ports/time.ts'
import { looksImmutable } from '../../src/time/looks-immutable.ts'
import { storeFolder } from '../storage/setup.ts'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

test('versions, dates and commits look immutable', () => {
  const immutable = ['1.2.3', 'v1.2.3', '1.2.3-rc.1', '20.11.1-alpine', '20261101', '2026-11-01']
  const commits = ['nightly-20261101', 'sha-0123abc', '0123abc', 'main-deadbe1', '4f'.repeat(20)]
  for (const tag of [...immutable, ...commits]) assert.ok(looksImmutable(tag), tag)
  for (const tag of [
    'latest',
    '20',
    '1.2',
    'v3',
    'alpine',
    'bookworm',
    'facade',
    'defaced',

    '24.04',
  ])
    assert.ok(!looksImmutable(tag), tag)
})

test('drift tells what moved, from what to what, what looks immutable, and what is held', async () => {
  await using upstream = await fakeUpstream()
  const cache = { tags: [], coolDown: [{ match: 'app:latest', for: '1h' }] }
  await using proxy = await startProxy({ upstream, config: { cache } })
  const drift = (...args: string[]) => runEntrepot('drift', ...args, '--server', proxy.adminUrl)
  const pull = async (tag: string, content: string) => {
    const body = manifestOf([Buffer.from(content)])
    const { digest } = upstream.addManifest('library/app', tag, body, OCI_MANIFEST)
    assert.equal((await call(proxy.port, 'GET', `/v2/app/manifests/${tag}`)).status, 200)
    return digest
  }
  for (const tag of ['latest', '1.2.3', 'quiet']) await pull(tag, 'one')
  assert.match((await drift()).stdout, /^no tag was seen to move since 2/)

  const one = await pull('quiet', 'one')
  const two = await pull('1.2.3', 'two')
  await pull('latest', 'two')
  const { moves, isCut } = JSON.parse((await drift('--json')).stdout) as DriftReport
  assert.equal(isCut, false)
  assert.deepEqual(
    moves.map(({ image, from, to, looksImmutable, coolDown }) => [
      image,
      from,
      to,
      looksImmutable,
      coolDown?.served,
    ]),
    [
      ['docker.io/library/app:latest', one, two, false, one],
      ['docker.io/library/app:1.2.3', one, two, true, undefined],
    ],
  )
  const text = (await drift('--since', '1h')).stdout
  assert.match(text, /app:latest .*held until 2/)
  assert.match(text, /app:1\.2\.3 .*looks immutable/)
  const mistaken = await drift('--since', 'yesterday')
  assert.equal(mistaken.code, 64)
  assert.match(mistaken.stderr, /since must be a time such as 90m, 12h or 7d/)
})

test('drift tells what changed: size, layers, platforms and time of creation, as far as it is stored', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream, config: { cache: { tags: [] } } })
  const image = (architecture: string, created: string, layers: readonly Buffer[]) => {
    const config = Buffer.from(JSON.stringify({ os: 'linux', architecture, created }))
    for (const blob of [config, ...layers]) upstream.addBlob(blob)
    const body = manifestOf(layers, { config: descriptorOf(config) })
    upstream.addManifest('library/app', undefined, body, OCI_MANIFEST)
    const blobs = [config, ...layers].map((blob) => descriptorOf(blob).digest)
    const size = config.length + layers.reduce((sum, { length }) => sum + length, 0)
    return {
      ...descriptorOf(body, OCI_MANIFEST),
      blobs,
      bytes: size,
      platform: { os: 'linux', architecture },
    }
  }
  const [base, one, two] = ['base', 'one', 'a longer two'].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  const before = image('amd64', '2026-10-01T00:00:00Z', [base, one])
  const after = image('amd64', '2026-11-01T00:00:00Z', [base, two, one])
  const arm = image('arm64', '2026-11-01T00:00:00Z', [one])
  const pull = async (images: readonly (typeof before)[], parts: (typeof before)[]) => {
    const manifests = images.map(({ mediaType, digest, size, platform }) => ({
      mediaType,
      digest,
      size,
      platform,
    }))
    upstream.addManifest('library/app', 'latest', indexOf(manifests), OCI_INDEX)
    const paths = [
      'manifests/latest',
      ...parts.flatMap(({ digest, blobs }) => [
        `manifests/${digest}`,
        ...blobs.map((blob) => `blobs/${blob}`),
      ]),
    ]
    for (const path of paths) assert.equal((await call(proxy.port, 'GET', `/v2/app/${path}`)).status, 200)
  }
  await pull([before, arm], [before])
  await pull([after], [])
  const drift = async () => {
    const { stdout } = await runEntrepot('drift', '--json', '--server', proxy.adminUrl)
    return (JSON.parse(stdout) as DriftReport).moves
  }
  assert.deepEqual((await drift())[0]!.change, {
    platform: null,
    size: null,
    layers: null,
    created: null,
    platformsAdded: [],
    platformsRemoved: ['linux/arm64'],
  })
  await pull([after], [after])
  assert.deepEqual((await drift())[0]!.change, {
    platform: 'linux/amd64',
    size: { from: before.bytes, to: after.bytes },
    layers: { from: 2, to: 3, shared: 2 },
    created: { from: '2026-10-01T00:00:00.000Z', to: '2026-11-01T00:00:00.000Z' },
    platformsAdded: [],
    platformsRemoved: ['linux/arm64'],
  })
  const { stdout } = await runEntrepot('drift', '--server', proxy.adminUrl)
  assert.match(stdout, /\d+ B -> \d+ B, 2 -> 3 layers, without linux\/arm64$/m)
})

test('the moves of a period are all found, the newest first, and no first sight is one', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  const digest = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest
  const repository = { upstream: 'docker.io', name: 'library/app' }
  for (let at = 0; at < 300; at += 1)
    await store.tags.set(repository, `t${at % 10}`, { digest: digest(at), checkedAt: at })
  const moves = await store.movesSince(100, 1_000)
  assert.deepEqual(
    moves.map(({ at, tag, from, to }) => [at, tag, from, to]),
    Array.from({ length: 200 }, (_, i) => 299 - i).map((at) => [
      at,
      `t${at % 10}`,
      digest(at - 10),
      digest(at),
    ]),
  )
  assert.equal((await store.movesSince(0, 1_000)).length, 290)
  assert.equal((await store.movesSince(0, 7)).length, 7)
})
