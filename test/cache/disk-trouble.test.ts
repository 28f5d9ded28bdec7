import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { BlobReader, BlobStore } from '../../src/ports/blob-store.ts'
import { quotaStore } from '../../src/eviction/quota-store.ts'
import { memoryStore } from '../support/memory-store.ts'
import { filesystemStore } from '../../src/storage/filesystem-store.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { faultFiles } from '../support/fault-files.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { digestRead, readBlob, type RigOptions, rig } from '../support/rig.ts'
import { tempFolder } from '../support/temp-folder.ts'

const MiB = 1024 * 1024
const layer = blobOf(2 * MiB)

/** A proxy over a store in files that fails when told to. */
async function proxyOnFiles(
  options: Omit<RigOptions, 'store'>,
  around: (blobs: BlobStore<BlobReader>) => BlobStore<BlobReader> = (blobs) => blobs,
) {
  const folder = await tempFolder()
  const files = faultFiles()
  const failed: string[] = []
  const telemetry = { evicted() {}, failed: (operation: string) => void failed.push(operation) }
  const store = await filesystemStore({ root: folder.path, files, telemetry })
  const proxy = await rig({ ...options, store: { ...store, blobs: around(store.blobs) } })
  return {
    files,
    failed,
    proxy,
    store,
    parts: () => files.list(`${folder.path}/ingest`),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

suite('trouble with the disk', () => {
  for (const [row, code] of [
    ['F60', 'ENOSPC'],
    ['F61', 'EIO'],
    ['F63', 'EROFS'],
  ] as const) {
    test(`${row} ${code} in mid-fill: every reader gets the whole verified blob, nothing is committed, hits go on`, async () => {
      await using upstream = await fakeUpstream()
      await using setup = await proxyOnFiles({ upstream })
      const { files, proxy, store, parts } = setup
      const small = blobOf(1000, 7)
      upstream.addBlob(small.bytes)
      upstream.addBlob(layer.bytes)
      const repository = proxy.repository()
      await digestRead(repository, small.digest)

      files.fail('write', code, { after: 1, times: 1000 })
      const read = await Promise.all([1, 2, 3].map(() => digestRead(repository, layer.digest)))
      assert.deepEqual(read, [layer.digest, layer.digest, layer.digest])
      assert.deepEqual(
        await readBlob(repository, layer.digest, { start: MiB, end: MiB + 10 }),
        layer.bytes.subarray(MiB, MiB + 10),
      )
      assert.equal(await digestRead(repository, small.digest), small.digest)
      assert.equal(await store.blobs.stat(layer.digest), undefined)
      await eventually(async () => (await parts()).length === 0)
      assert.ok(setup.failed.includes('write'))
    })
  }

  test('F60 F25 bytes that were given before the disk filled up are compared before the rest is given', async () => {
    await using upstream = await fakeUpstream()
    await using setup = await proxyOnFiles({ upstream })
    upstream.addBlob(layer.bytes)
    upstream.on(`/v2/library/app/blobs/${layer.digest}`, { flipByte: 1000, times: 1 })
    const repository = setup.proxy.repository()

    setup.files.fail('write', 'ENOSPC', { after: 1, times: 1000 })
    await assert.rejects(digestRead(repository, layer.digest), (error) =>
      isRegistryError(error, 'UPSTREAM_INVALID'),
    )
  })

  test('F60 a full disk is made room on, once, and the fill goes on', async () => {
    await using upstream = await fakeUpstream()
    const asked: number[] = []
    const room = {
      reserve: async (size: number) => ({
        size,
        written: 0,
        hold() {},
        grow: async () => true,
        [Symbol.dispose]() {},
      }),
      limitFor: async () => undefined,
      makeRoom: async (bytes: number) => asked.push(bytes) > 0,
    }
    await using setup = await proxyOnFiles({ upstream }, (blobs) =>
      quotaStore(blobs, room, { failed() {}, stored() {} }),
    )
    upstream.addBlob(layer.bytes)
    setup.files.fail('write', 'ENOSPC', { after: 1, times: 1 })
    assert.equal(await digestRead(setup.proxy.repository(), layer.digest), layer.digest)
    await eventually(async () => (await setup.store.blobs.stat(layer.digest)) !== undefined)
    assert.equal(asked.length, 1)
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  for (const operation of ['open', 'sync', 'rename'] as const) {
    test(`F61 F75 ENOSPC on ${operation}: readers do not notice, nothing is committed, the next pull stores it`, async () => {
      await using upstream = await fakeUpstream()
      await using setup = await proxyOnFiles({ upstream })
      const { files, proxy, store } = setup
      upstream.addBlob(layer.bytes)
      files.fail(operation, 'ENOSPC', { times: 1 })
      assert.equal(await digestRead(proxy.repository(), layer.digest), layer.digest)
      await eventually(() => proxy.downloads.list().length === 0)
      assert.equal(await store.blobs.stat(layer.digest), undefined)
      assert.equal(await digestRead(proxy.repository(), layer.digest), layer.digest)
      await eventually(async () => (await store.blobs.stat(layer.digest)) !== undefined)
    })
  }

  test('F62 EIO when a cached blob is opened: it is fetched again', async () => {
    await using upstream = await fakeUpstream()
    await using setup = await proxyOnFiles({ upstream })
    upstream.addBlob(layer.bytes)
    const repository = setup.proxy.repository()
    await digestRead(repository, layer.digest)
    await eventually(() => setup.proxy.downloads.list().length === 0)
    setup.files.fail('open', 'EIO', { times: 1 })
    assert.equal(await digestRead(repository, layer.digest), layer.digest)
  })

  test('F62 EIO in the middle of a cached blob: an error, never a clean end', async () => {
    await using upstream = await fakeUpstream()
    await using setup = await proxyOnFiles({ upstream })
    upstream.addBlob(layer.bytes)
    const repository = setup.proxy.repository()
    await digestRead(repository, layer.digest)
    await eventually(() => setup.proxy.downloads.list().length === 0)
    setup.files.fail('read', 'EIO', { after: 3 })
    await assert.rejects(readBlob(repository, layer.digest), (error) => isRegistryError(error, 'STORAGE'))
  })

  test('a manifest that cannot be stored is served all the same', async () => {
    await using upstream = await fakeUpstream()
    await using setup = await proxyOnFiles({ upstream })
    const body = manifestOf([layer.bytes])
    const { digest } = upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    setup.files.fail('open', 'EMFILE')
    const { tags, manifests } = setup.proxy.repository()
    assert.equal(await tags.resolve('latest'), digest)
    assert.deepEqual((await manifests.get(digest))?.body, body)
    assert.ok(setup.proxy.failures.some((error) => isRegistryError(error, 'STORAGE')))
  })

  test('what passes through is verified too: a flipped byte ends it before its end', async () => {
    await using upstream = await fakeUpstream()
    await using setup = await proxyOnFiles({ upstream })
    upstream.addBlob(layer.bytes)
    setup.files.fail('open', 'ENOSPC', { times: 10 })
    upstream.on(/blobs/, { flipByte: 5 })
    await assert.rejects(readBlob(setup.proxy.repository(), layer.digest), (error) =>
      isRegistryError(error, 'UPSTREAM_INVALID'),
    )
  })

  for (const [what, times] of Object.entries({ once: 1, always: 10 })) {
    test(`F29 F60 what passes through and begins elsewhere, ${what}, is asked for again, and never given`, async () => {
      await using upstream = await fakeUpstream()
      await using setup = await proxyOnFiles({ upstream })
      upstream.addBlob(layer.bytes)
      setup.files.fail('open', 'ENOSPC', { times: 10 })
      upstream.on(/blobs/, {
        status: 206,
        headers: { 'Content-Range': `bytes 1-${layer.bytes.length - 1}/${layer.bytes.length}` },
        body: layer.bytes.subarray(1),
        times,
      })
      const read = digestRead(setup.proxy.repository(), layer.digest)
      if (times === 1) assert.equal(await read, layer.digest)
      else
        await assert.rejects(
          read,
          (error) =>
            isRegistryError(error, 'UPSTREAM_INVALID') &&
            error.detail['reason'] === 'range ignored, or content changed',
        )
    })
  }

  test('an index that fails costs requests upstream, and no pull', async () => {
    await using upstream = await fakeUpstream()
    const store = memoryStore()
    const fail = async (): Promise<never> => {
      throw new RegistryError('STORAGE', { operation: 'index', reason: 'ENOSPC' })
    }
    const broken = {
      has: fail,
      knows: fail,
      isLinked: fail,
      add: fail,
      remove: fail,
      get: fail,
      use() {},
      set: fail,
      mediaType: fail,
      removeUnusedSince: fail,
      history: fail,
      past: fail,
      of: fail,
      record: fail,
    }
    const indexes = { links: broken, references: broken, tags: broken }
    await using proxy = await rig({ upstream, store: { ...store, ...indexes } })
    upstream.addBlob(layer.bytes)
    const { digest } = upstream.addManifest('library/app', 'latest', manifestOf([layer.bytes]), OCI_MANIFEST)
    const repository = proxy.repository()
    for (let i = 0; i < 2; i++) {
      assert.equal(await repository.tags.resolve('latest'), digest)
      assert.ok(await repository.manifests.get(digest))
      assert.equal(await digestRead(repository, layer.digest), layer.digest)
    }
  })
})

test('F61 a tag that moved while the index cannot be written does not go back when upstream is out', async () => {
  await using upstream = await fakeUpstream()
  const store = memoryStore()
  let isFull = false
  const tags = {
    ...store.tags,
    async set(...args: Parameters<typeof store.tags.set>) {
      if (isFull) throw new RegistryError('STORAGE', { operation: 'index', reason: 'ENOSPC' })
      return store.tags.set(...args)
    },
  }
  await using proxy = await rig({ upstream, store: { ...store, tags }, hot: true })
  const { tags: seen } = proxy.repository('app')
  const move = (layer: string) =>
    upstream.addManifest('app', 'v1', manifestOf([Buffer.from(layer)]), OCI_MANIFEST).digest
  const before = move('one')
  assert.equal(await seen.resolve('v1'), before)
  const after = move('two')
  isFull = true
  proxy.now += 60_001
  assert.equal(await seen.resolve('v1'), after)
  upstream.on(/manifests/, { status: 503, times: Infinity })
  proxy.now += 60_001
  assert.equal(await seen.resolve('v1'), after)
})

test('F61 F8 a tag that was deleted while the index cannot be written does not come back either', async () => {
  await using upstream = await fakeUpstream()
  const store = memoryStore()
  const tags = {
    ...store.tags,
    async remove() {
      throw new RegistryError('STORAGE', { operation: 'index', reason: 'ENOSPC' })
    },
  }
  await using proxy = await rig({ upstream, store: { ...store, tags }, hot: true })
  const { tags: seen } = proxy.repository('app')
  const { digest } = upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  assert.equal(await seen.resolve('v1'), digest)
  upstream.content.removeTag('app', 'v1')
  proxy.now += 60_001
  assert.equal(await seen.resolve('v1'), undefined)
  upstream.on(/manifests/, { status: 503, times: Infinity })
  await assert.rejects(async () => seen.resolve('v1'), { code: 'UPSTREAM_UNAVAILABLE' })
})

test('SEC-80 F60 who leaves before a blob passes through gives its place back', async () => {
  await using upstream = await fakeUpstream()
  const store = memoryStore()
  const blobs = {
    ...store.blobs,
    async ingest(): Promise<never> {
      throw new RegistryError('STORAGE', { operation: 'ingest', reason: 'ENOSPC' })
    },
  }
  await using proxy = await rig({
    upstream,
    store: { ...store, blobs },
    queues: () => ({ places: 1, queueLength: 10, queueTimeout: 2_000 }),
    timeouts: { headers: 20_000 },
  })
  upstream.addBlob(layer.bytes)
  const { digest } = blobOf(10, 9)
  upstream.on(new RegExp(digest), { delayMs: Infinity, times: Infinity })
  const leave = new AbortController()
  const left = readBlob(proxy.repository(), digest, { signal: leave.signal })
  await eventually(() => upstream.count('GET', /blobs/) === 1)
  // It waits for the only place, less long than upstream may take to answer.
  const other = readBlob(proxy.repository(), layer.digest)
  leave.abort()
  await assert.rejects(left, { name: 'AbortError' })
  assert.deepEqual(await other, layer.bytes)
})
