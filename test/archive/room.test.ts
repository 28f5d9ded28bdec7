/** Archives that cannot fit are refused before anything is evicted for them, and upstreams keep to their shares. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { keepShares } from '../../src/archive/keep-shares.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { type Ran, runCommand } from '../support/run-command.ts'

const MB = 1_000_000

const run = (proxy: Proxy, ...args: readonly string[]): Promise<Ran> =>
  runCommand([...args, '--server', proxy.adminUrl])

/** Two upstreams, `docker.io` and `a.example`, that are one registry. */
const start = (upstream: FakeUpstream, maxSize: string, share: object = {}): Promise<Proxy> =>
  startProxy({
    upstream,
    upstreamConfig: share as Record<string, unknown>,
    config: {
      storage: { root: './data', minFree: 0, maxSize },
      upstreams: { 'docker.io': { url: upstream.url, ...share }, 'a.example': { url: upstream.url } },
    },
  })

let seed = 0

/** Fetches images, with layers of these sizes. */
async function warm(upstream: FakeUpstream, proxy: Proxy, image: string, ...sizes: readonly number[]) {
  const layers = sizes.map((size) => blobOf(size, (seed += 1)).bytes)
  for (const bytes of [Buffer.from('{}'), ...layers]) upstream.addBlob(bytes)
  upstream.addManifest(image.slice(image.indexOf('/') + 1), '1', manifestOf(layers), OCI_MANIFEST)
  const { code, stderr } = await run(proxy, 'warm', `${image}:1`)
  assert.equal(code, 0, stderr)
}

async function exported(proxy: Proxy, name: string, ...images: readonly string[]): Promise<string> {
  const file = join(proxy.folder, name)
  const { code, stderr } = await run(proxy, 'export', ...images, '-o', file)
  assert.equal(code, 0, stderr)
  return file
}

async function stored(proxy: Proxy): Promise<readonly string[]> {
  const { stdout } = await run(proxy, 'ls', '--json')
  const images = JSON.parse(stdout) as { upstream: string; repository: string; size: number }[]
  return images
    .map(({ upstream, repository, size }) => `${upstream}/${repository} ${Math.floor(size / MB)}`)
    .toSorted()
}

test('an archive that is larger than the store is refused at once, and nothing is evicted', async () => {
  await using upstream = await fakeUpstream()
  await using source = await start(upstream, '1GB')
  await using target = await start(upstream, '20MB')
  await warm(upstream, source, 'docker.io/library/big', 8 * MB, 8 * MB, 8 * MB)
  await warm(upstream, target, 'a.example/org/other', 6 * MB, 6 * MB)
  for (const name of ['big.tar', 'big.tar.zst']) {
    const file = await exported(source, name, 'big')
    const { code, stderr } = await run(target, 'import', file)
    assert.equal(code, 1)
    assert.match(stderr, /no room for all of the archive: it takes 23 MiB, more than storage\.maxSize allows/)
    assert.deepEqual(await stored(target), ['a.example/org/other 12'])
  }
})

test('an archive that is larger than the share of its upstream is refused at once, also with images of others', async () => {
  await using upstream = await fakeUpstream()
  await using source = await start(upstream, '1GB')
  await using target = await start(upstream, '20MB', { maxSize: '6MB' })
  await warm(upstream, source, 'docker.io/library/big', 4 * MB, 4 * MB)
  await warm(upstream, source, 'a.example/org/small', 4 * MB)
  await warm(upstream, target, 'a.example/org/other', 6 * MB, 6 * MB)
  for (const images of [['big'], ['big', 'a.example/org/small']]) {
    const file = await exported(source, 'images.tar', ...images)
    const { code, stderr } = await run(target, 'import', file)
    assert.equal(code, 1)
    assert.match(stderr, /docker\.io takes 7\.6 MiB, more than upstreams\.docker\.io\.maxSize allows/)
    assert.deepEqual(await stored(target), ['a.example/org/other 12'])
  }
  // Under another name it is of another upstream, whose share is all of the store.
  const file = await exported(source, 'images.tar', 'big')
  const { code, stderr } = await run(target, 'import', file, '--as', 'a.example/org/big')
  assert.equal(code, 0, stderr)
})

test('what is taken in goes at the expense of its own upstream, where that has a share', async () => {
  await using upstream = await fakeUpstream()
  await using source = await start(upstream, '1GB')
  await using target = await start(upstream, '100MB', { maxSize: '10MB' })
  await warm(upstream, target, 'a.example/org/other', 6 * MB, 6 * MB)
  await warm(upstream, target, 'docker.io/library/old', 8 * MB)
  await warm(upstream, source, 'docker.io/library/new', 4 * MB, 4 * MB)
  const { code, stderr } = await run(target, 'import', await exported(source, 'images.tar', 'new'))
  assert.equal(code, 0, stderr)
  assert.deepEqual(await stored(target), [
    'a.example/org/other 12',
    'docker.io/library/new 8',
    'docker.io/library/old 0',
  ])
})

test('an archive of which a share cannot hold all besides what is pinned is told as that', async () => {
  await using upstream = await fakeUpstream()
  await using source = await start(upstream, '1GB')
  await using target = await start(upstream, '100MB', { maxSize: '10MB' })
  await warm(upstream, target, 'docker.io/library/old', 8 * MB)
  assert.equal((await run(target, 'pin', 'docker.io/library/old:1')).code, 0)
  await warm(upstream, source, 'docker.io/library/new', 4 * MB)
  const { code, stderr } = await run(target, 'import', await exported(source, 'images.tar', 'new'))
  assert.equal(code, 1)
  assert.match(
    stderr,
    /no room for all of the archive besides what is pinned: sha256:\w+ was evicted again, .*upstreams\.docker\.io\.maxSize/,
  )
  assert.ok((await stored(target)).includes('docker.io/library/old 8'))
})

test('a share that cannot be kept at once does not take away that the archive was imported', async () => {
  const repository = { upstream: 'docker.io', name: 'library/new' }
  const trouble = new Error('the index cannot be read')
  const told: unknown[] = []
  await keepShares([{ repository, manifests: [] }], {
    links: { knows: async () => true },
    keepShare: () => Promise.reject(trouble),
    shareNotKept: (error) => void told.push(error),
  })
  assert.deepEqual(told, [trouble])
})
