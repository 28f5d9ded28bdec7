import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { addMultiImage, imageUpstream } from '../images/image-upstream.ts'
import type { FakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { runCommand } from '../support/run-command.ts'

/** Ten images that share a layer. */
function addImages(upstream: FakeUpstream): readonly string[] {
  const shared = blobOf(200_000, 1).bytes
  upstream.addBlob(shared)
  upstream.addBlob(Buffer.from('{}'))
  return Array.from({ length: 10 }, (_, i) => {
    const own = blobOf(50_000 + i, 100 + i).bytes
    upstream.addBlob(own)
    upstream.addManifest(`library/service-${i}`, '1', manifestOf([shared, own]), OCI_MANIFEST)
    return `service-${i}:1`
  })
}

const compose = (images: readonly string[]) =>
  `services:\n${images.map((image, i) => `  s${i}:\n    image: ${image}\n`).join('')}`

const pods = (images: readonly string[]) =>
  images
    .map(
      (image, i) =>
        `apiVersion: v1\nkind: Pod\nmetadata: { name: p${i} }\nspec: { containers: [{ name: c, image: '${image}' }] }\n`,
    )
    .join('---\n')

for (const [kind, write] of [
  ['compose file', compose],
  ['Kubernetes manifest', pods],
] as const) {
  test(`a ${kind} of ten images is warmed, and a second run asks for no blob`, async () => {
    await using upstream = await imageUpstream()
    await using proxy = await startProxy({ upstream })
    const images = addImages(upstream)
    const file = join(proxy.folder, 'images.yaml')
    await writeFile(file, write(images))
    const command = ['warm', '-f', file, '--server', proxy.adminUrl]
    const first = await runCommand(command)
    assert.equal(first.code, 0, first.stdout + first.stderr)
    assert.match(first.stdout, /^10 images stored: /m)
    // The shared layer and the config once, and ten layers.
    assert.equal(upstream.count('GET', /blobs/), 12)
    const heads = upstream.count('HEAD', /blobs/)
    const second = await runCommand([...command, '--json'])
    assert.equal(second.code, 0)
    assert.equal(upstream.count('GET', /blobs/), 12)
    assert.equal(upstream.count('HEAD', /blobs/), heads)
    const lines = second.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { fetched: number })
    assert.equal(lines.length, 11)
    assert.equal(lines.at(-1)!.fetched, 0)
    const { audit } = (await (await fetch(`${proxy.adminUrl}/api/v1/audit`)).json()) as {
      audit: { action: string; target: string }[]
    }
    assert.deepEqual([audit[0]?.action, audit[0]?.target], ['warm', '10 images'])
  })
}

test('without --platform the platforms that were pulled are warmed, else all', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({ upstream })
  const { amd64 } = addMultiImage(upstream)
  const pull = async (path: string) =>
    void (await (await fetch(`${proxy.url}/v2/library/app/${path}`)).arrayBuffer())
  await pull('manifests/latest')
  await pull(`manifests/${amd64.digest}`)
  await pull(`blobs/${amd64.layers[0]}`)
  const stored = async () =>
    (await (await fetch(`${proxy.adminUrl}/api/v1/usage`)).json()) as { objects: number }
  await eventually(async () => (await stored()).objects === 3)
  const server = ['--server', proxy.adminUrl]
  const pulled = await runCommand(['warm', 'app', ...server])
  assert.match(pulled.stdout, /^done +docker\.io\/library\/app:latest \(linux\/amd64, as pulled before\)/)
  const asked = await runCommand(['warm', 'app', '--platform', 'linux/arm64,linux/s390x', ...server])
  assert.equal(asked.code, 1)
  assert.match(asked.stdout, /^incomplete .*\(linux\/arm64\/v8\)/)
  assert.match(asked.stdout, /platform linux\/s390x .*: the image has no such platform/)
})

test('what is left of a rate limit is kept for pulls; what is stored counts as done', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({ upstream })
  const images = addImages(upstream)
  const server = ['--server', proxy.adminUrl]
  assert.equal((await runCommand(['warm', images[0]!, ...server])).code, 0)
  const low = { headers: { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '3;w=21600' } }
  upstream.on(/service-1\/manifests/, { ...low, times: 9 })
  await runCommand(['warm', images[1]!, ...server])
  const before = upstream.requests.length
  const late = await runCommand(['warm', ...images, ...server])
  assert.equal(late.code, 1)
  assert.match(late.stdout, /^done +docker\.io\/library\/service-0:1/m)
  assert.match(
    late.stdout,
    /^later +docker\.io\/library\/service-9:1: the rate limit of docker\.io is nearly used up/m,
  )
  assert.equal(upstream.requests.length, before)
})

test('a warm that is cancelled ends, and the next one goes on where it was', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({ upstream })
  const images = addImages(upstream)
  const { promise: stalled, resolve: release } = Promise.withResolvers<void>()
  upstream.on(/service-5\/blobs/, { method: 'GET', atByte: { k: 1000, then: stalled }, times: 9 })
  const server = ['--server', proxy.adminUrl]
  const first = runCommand(['warm', ...images, ...server])
  await eventually(async () =>
    (await runCommand(['jobs', '--json', ...server])).stdout.includes('9 of 10 images'),
  )
  assert.equal((await runCommand(['jobs', '--cancel', 'warm-1', ...server])).code, 0)
  const ended = await first
  assert.equal(ended.code, 1)
  assert.match(ended.stderr, /cancelled/)
  release()
  const before = upstream.count('GET', /blobs/)
  const second = await runCommand(['warm', ...images, ...server])
  assert.equal(second.code, 0, second.stdout)
  assert.ok(upstream.count('GET', /blobs/) - before <= 2)
})

test('what cannot be warmed says why', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({ upstream, upstreamConfig: { deny: ['library/secret'] } })
  const server = ['--server', proxy.adminUrl]
  const { code, stdout } = await runCommand([
    'warm',
    'nowhere',
    'secret',
    'other.example/x',
    'Not An Image',
    ...server,
  ])
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^failed +docker\.io\/library\/nowhere:latest: docker\.io says that it does not exist$/m,
  )
  assert.match(stdout, /^failed +secret: the configuration forbids it \(upstreams\.docker\.io\.deny/m)
  assert.match(stdout, /^failed +other\.example\/x: no upstream is configured for other\.example$/m)
  assert.match(stdout, /^failed +Not An Image: is no image/m)
})

test('refresh asks upstream however fresh a tag is, and says what it points to', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({ upstream })
  const one = addMultiImage(upstream)
  const server = ['--server', proxy.adminUrl]
  assert.match((await runCommand(['refresh', 'app', ...server])).stdout, /not known before/)
  const before = upstream.requests.length
  assert.match((await runCommand(['refresh', 'app', ...server])).stdout, /unchanged/)
  assert.equal(upstream.requests.length, before + 1)
  const { digest } = upstream.addManifest('library/app', 'latest', manifestOf([]), OCI_MANIFEST)
  assert.match(
    (await runCommand(['refresh', 'app', ...server])).stdout,
    new RegExp(`moved from ${one.index} to ${digest}`),
  )
  upstream.content.removeTag('library/app', 'latest')
  const gone = await runCommand(['refresh', 'app', ...server])
  assert.deepEqual([gone.code, gone.stdout], [1, 'docker.io/library/app:latest: does not exist upstream\n'])
  const wrong = await runCommand(['refresh', `app@${descriptorOf(Buffer.from('')).digest}`, ...server])
  assert.match(wrong.stderr, /a digest never changes, name a tag/)
})

test('a job of which not all is whole says so, and mirror without rules that there are none', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({ upstream })
  const server = ['--server', proxy.adminUrl]
  assert.equal((await runCommand(['warm', 'absent:1', ...server])).code, 1)
  const jobs = await runCommand(['jobs', ...server])
  assert.match(jobs.stdout, /^warm-1 +done .* absent:1 +1 of 1 image, 1 not whole, 0 B fetched$/m)
  assert.equal((await runCommand(['jobs', '--cancel', '', ...server])).code, 64)
  const { code, stdout } = await runCommand(['mirror', ...server])
  assert.deepEqual([code, stdout], [0, 'no rule is configured: add one to mirror\n'])
})

test('blobs that the queue of downloads refuses come when there is a place', async () => {
  await using upstream = await imageUpstream()
  await using proxy = await startProxy({
    upstream,
    upstreamConfig: { maxTransfers: 1 },
    config: { transfers: { queueTimeout: '50ms', queueLength: 1 } },
  })
  addMultiImage(upstream)
  upstream.on(/blobs/, { delayMs: 400, times: 2 })
  const { code, stdout } = await runCommand(['warm', 'app', '--server', proxy.adminUrl])
  assert.equal(code, 0, stdout)
})
