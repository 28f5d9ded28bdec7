import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { MirrorReport, MirrorRuleView } from '../../src/ports/moving/mirror.ts'
import { fakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { runCommand } from '../support/run-command.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** 2,000 tags: 20 majors of 10 minors of 10 versions, each with a variant; all of one shared and one own layer. */
function addTags(upstream: FakeUpstream): void {
  const shared = blobOf(50_000, 1).bytes
  for (const bytes of [shared, Buffer.from('{}')]) upstream.addBlob(bytes)
  for (let major = 0; major < 10; major++)
    for (let minor = 0; minor < 10; minor++)
      for (let patch = 0; patch < 10; patch++) {
        const version = `${major}.${minor}.${patch}`
        const own = Buffer.from(version)
        upstream.addBlob(own)
        for (const tag of [version, `${version}-alpine`])
          upstream.addManifest(
            'library/node',
            tag,
            manifestOf([shared, own], { annotations: { tag } }),
            OCI_MANIFEST,
          )
      }
}

const RULE = { images: ['node'], tags: { semver: '>=9.8' }, platforms: ['linux/amd64'] }
const WANTED = Array.from({ length: 20 }, (_, i) => `9.${8 + Math.floor(i / 10)}.${i % 10}`)

test('a rule of versions fetches the right ones of 2,000 tags, with a bounded number of requests', async () => {
  await using upstream = await fakeUpstream()
  addTags(upstream)
  await using proxy = await startProxy({ upstream, config: { mirror: [RULE] } })
  const server = ['--server', proxy.adminUrl]
  const first = await runCommand(['mirror', '--run', '--json', ...server])
  assert.equal(first.code, 0, first.stderr)
  const [report] = JSON.parse(first.stdout) as MirrorReport[]
  assert.deepEqual([report!.wanted, report!.done, report!.ended, report!.problems], [20, 20, 'done', []])
  const stored = JSON.parse((await runCommand(['ls', '--json', ...server])).stdout) as { tag: string }[]
  assert.deepEqual(stored.map(({ tag }) => tag).toSorted(), WANTED)
  // The list; for each tag its HEAD, its manifest and its own layer; the shared layer and the config once.
  assert.ok(upstream.count('GET', /tags\/list/) <= 3)
  assert.equal(upstream.count('HEAD', /manifests/), 20)
  assert.equal(upstream.count('GET', /manifests/), 20)
  assert.equal(upstream.count('GET', /blobs/), 22)
  const before = upstream.requests.length
  assert.equal((await runCommand(['mirror', '--run', ...server])).code, 0)
  // Lists and tags are fresh for a minute and more.
  assert.equal(upstream.requests.length, before)
  const told = await runCommand(['mirror', ...server])
  assert.match(
    told.stdout,
    /^mirror\[0\]: docker\.io\/library\/node \(0 3 \* \* \*\)\n  ended now\n  20 of 20 tags stored, 0 B fetched\n$/,
  )
})

test('a run that is stopped half-way goes on after a restart with what was never fetched', async () => {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream()
  addTags(upstream)
  const config = { mirror: [RULE] }
  {
    await using proxy = await startProxy({ upstream, folder: folder.path, config })
    const { promise: stalled, resolve: release } = Promise.withResolvers<void>()
    // The tenth manifest does not come.
    upstream.on(/manifests\/sha256/, { method: 'GET', times: 10 })
    upstream.on(/manifests\/sha256/, { method: 'GET', after: stalled, times: 10 })
    const running = runCommand(['mirror', '--run', '--server', proxy.adminUrl])
    await eventually(() => upstream.count('GET', /manifests/) >= 11)
    await proxy.stop()
    assert.equal((await running).code, 1)
    release()
  }
  const before = upstream.count('GET', /blobs/)
  assert.ok(before < 22)
  await using proxy = await startProxy({ upstream, folder: folder.path, config })
  const ran = await runCommand(['mirror', '--run', '--json', '--server', proxy.adminUrl])
  assert.equal(ran.code, 0, ran.stderr + ran.stdout)
  // What was stored is not fetched again; what was cut off is asked for once more at most.
  assert.ok(upstream.count('GET', /blobs/) <= 24, String(upstream.count('GET', /blobs/)))
  assert.ok(upstream.count('GET', /manifests/) <= 24)
})

test('a run ends with its window and with the rate limit, and says what is missing', async () => {
  await using upstream = await fakeUpstream()
  addTags(upstream)
  const mirror = [
    { images: ['node:9.9.9', 'node:8.8.8-alpine', 'node:none', 'nowhere'], window: '1h' },
    { images: ['node:1.1.*'], tags: { latest: 2 }, rate: '100MB/s', schedule: '0 4 * * *' },
    { images: ['node:2.2.2'], window: '1s' },
  ]
  await using proxy = await startProxy({ upstream, config: { mirror } })
  upstream.on(/manifests\/2\.2\.2/, { delayMs: 60_000, times: 99 })
  const ran = await runCommand(['mirror', '--run', '--json', '--server', proxy.adminUrl])
  assert.equal(ran.code, 1)
  const [named, listed, slow] = JSON.parse(ran.stdout) as MirrorReport[]
  assert.deepEqual(named!.problems, [
    { image: 'docker.io/library/nowhere', why: 'docker.io says that it does not exist' },
    { image: 'docker.io/library/node:none', why: 'docker.io says that it does not exist' },
  ])
  assert.deepEqual([named!.wanted, named!.done, named!.failed], [3, 2, 1])
  assert.deepEqual([listed!.wanted, listed!.done], [2, 2])
  assert.deepEqual([slow!.ended, slow!.done], ['window', 0])
  upstream.on(/manifests/, {
    headers: { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '3;w=21600' },
    times: 2,
  })
  await runCommand(['warm', 'node:0.0.1', '--server', proxy.adminUrl])
  const before = upstream.requests.length
  await runCommand(['mirror', '--run', '--server', proxy.adminUrl])
  assert.equal(upstream.requests.length, before)
  const { rules } = (await (await fetch(`${proxy.adminUrl}/api/v1/mirror`)).json()) as {
    rules: MirrorRuleView[]
  }
  assert.deepEqual(
    rules.map(({ last }) => last?.ended),
    ['later', 'later', 'later'],
  )
})

test('a pattern with stars means the repositories that something is stored of', async () => {
  await using upstream = await fakeUpstream()
  addTags(upstream)
  await using proxy = await startProxy({ upstream, config: { mirror: [{ images: ['library/no*:9.9.1*'] }] } })
  const server = ['--server', proxy.adminUrl]
  const report = async () =>
    (JSON.parse((await runCommand(['mirror', '--run', '--json', ...server])).stdout) as MirrorReport[])[0]!
      .wanted
  assert.equal(await report(), 0)
  await runCommand(['warm', 'node:1.0.0', ...server])
  assert.equal(await report(), 2)
})

test('a repository that the configuration forbids is told as that', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({
    upstream,
    upstreamConfig: { deny: ['library/node'] },
    config: { mirror: [RULE] },
  })
  const { code, stdout } = await runCommand(['mirror', '--run', '--server', proxy.adminUrl])
  assert.equal(code, 1)
  assert.match(
    stdout,
    /docker\.io may not be asked for it: the configuration forbids it \(upstreams\.docker\.io\.deny: library\/node\)/,
  )
  assert.equal(upstream.requests.length, 0)
})
