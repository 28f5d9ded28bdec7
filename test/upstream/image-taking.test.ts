/** How images of the first protocol come into the store: bounds of time and bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Manifest } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import type { V1Content, V1Index } from '../../src/ports/v1-images.ts'
import { imageTaking, type ImageTakingOptions } from '../../src/upstream/v1/image-taking.ts'
import type { V1Requests } from '../../src/upstream/v1/v1-requests.ts'
import { idOf } from '../support/fake-v1.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'
import { assertFails } from './setup.ts'

const NAME = 'library/old'
const [tip, parent] = [idOf('tip'), idOf('parent')]
const layer = blobOf(1_000_000).bytes

/** The metadata of images of two layers, the older of which they share. */
const requests: V1Requests = {
  upstream: 'up',
  get: async () => undefined,
  async text(_repository, _kind, path) {
    const [, id, what] = path.split('/')
    return JSON.stringify(what === 'ancestry' ? [id, parent] : { id })
  },
}

function body(chunks: AsyncIterable<Buffer>, place: Partial<BlobBody> = {}): BlobBody {
  return { start: 0, ranges: false, ...place, [Symbol.asyncIterator]: () => chunks[Symbol.asyncIterator]() }
}

async function* chunksOf(bytes: Buffer, until?: Promise<unknown>): AsyncGenerator<Buffer> {
  await until
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

function memoryIndex(): V1Index & { readonly contents: V1Content[] } {
  const contents: V1Content[] = []
  const byKey = new Map<string, V1Content>()
  return {
    contents,
    find: async (_, kind, id) => byKey.get(`${kind} ${id}`),
    findDigest: async (_, kind, digest) => byKey.get(`${kind} ${digest}`),
    async add(_, kind, content) {
      if (kind !== 'begun') contents.push(content)
      for (const key of [content.id, content.digest]) byKey.set(`${kind} ${key}`, content)
    },
    async forget(_, kind, id) {
      byKey.delete(`${kind} ${id}`)
    },
  }
}

/** What outlives a process. */
const memory = () => ({ blobs: memoryStore().blobs, index: memoryIndex() })

function taking(
  openLayer: (id: string, signal: AbortSignal, start: number) => Promise<BlobBody | undefined>,
  options: Partial<Pick<ImageTakingOptions, 'patience' | 'mostBytes' | 'longest' | 'now'>> = {},
  { blobs, index } = memory(),
) {
  const granted: Digest[] = []
  const it = imageTaking({
    endpoint: 'up (http://old)',
    requests,
    store: {
      index,
      blobs,
      isComplete: async () => false,
      grant: async (_, digest) => void granted.push(digest),
    },
    withTimeout: (work, signal) => work(signal ?? new AbortController().signal),
    openLayer: (_repository, id, start, signal) => openLayer(id, signal, start),
    ...options,
  })
  return { ...it, blobs, index, granted }
}

const broken = () => new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'ECONNRESET' })

/** A layer from a byte on, which breaks off before another one. */
async function* part(of: Buffer, start: number, end = Infinity): AsyncGenerator<Buffer> {
  for (let at = start; at < Math.min(end, of.length); at += 65_536)
    yield of.subarray(at, Math.min(at + 65_536, end))
  if (end < of.length) throw broken()
}

async function layersOf(taken: Promise<Manifest>): Promise<readonly Digest[]> {
  const { fsLayers } = JSON.parse(String((await taken).body)) as { fsLayers: { blobSum: Digest }[] }
  return fsLayers.map(({ blobSum }) => blobSum)
}

const another = blobOf(1_000_000, 2).bytes

test('a layer without end is left when it is longer than layers are, and nothing of it is kept', async () => {
  let sent = 0
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      sent += 65_536
      yield Buffer.alloc(65_536)
    }
  }
  const it = taking(async () => body(endless()), { mostBytes: 5_000_000 })
  await assertFails(it.take(NAME, tip), 'UPSTREAM_INVALID', {
    upstream: 'up (http://old)',
    reason: `image ${tip.slice(0, 12)}: the registry sends more than 5000000 bytes of it`,
  })
  assert.ok(sent < 4 * 5_000_000)
  assert.deepEqual(it.index.contents, [])
  assert.deepEqual(it.granted, [])
  await it.close()
})

test('who has waited as long as clients wait is told to come again, and the work goes on', async () => {
  const all = Promise.withResolvers<void>()
  let opened = 0
  const it = taking(
    async () => {
      opened += 1
      return body(chunksOf(layer, all.promise))
    },
    { patience: 20 },
  )
  await assertFails(it.take(NAME, tip), 'CONVERTING', { upstream: 'up' })
  await assertFails(it.take(NAME, tip), 'CONVERTING')
  all.resolve()
  await eventually(() => it.index.contents.length === 3, 20_000)
  assert.deepEqual(await layersOf(it.take(NAME, tip)), [digestOf(layer), digestOf(layer)])
  assert.ok((await it.blobs.stat(digestOf(layer)))?.size === layer.length)
  assert.equal(opened, 2)
  await it.close()
})

test('images are taken at once up to a number, and closing ends what runs', async () => {
  const it = taking(
    (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const running = Array.from({ length: 16 }, (_, i) => it.take(`${NAME}-${i}`, tip))
  const ended = Promise.allSettled(running)
  await assertFails(it.take(NAME, tip), 'TOOMANYREQUESTS')
  await it.close()
  for (const { status } of await ended) assert.equal(status, 'rejected')
})

async function failsBy(taken: Promise<unknown>, code: string, reason?: string): Promise<void> {
  const error: unknown = await taken.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(error instanceof RegistryError, String(error))
  assert.equal(error.code, code)
  if (reason !== undefined) assert.equal(error.detail['reason'], reason)
}

const versions: readonly {
  readonly what: string
  readonly before: Partial<BlobBody>
  readonly after: Partial<BlobBody>
  readonly isSame?: true
}[] = [
  { what: 'the same ETag', before: { etag: '"1"' }, after: { etag: '"1"' }, isSame: true },
  { what: 'the same length', before: { total: 1_000_000 }, after: { total: 1_000_000 }, isSame: true },
  {
    what: 'another ETag',
    before: { etag: '"1"', total: 1_000_000 },
    after: { etag: '"2"', total: 1_000_000 },
  },
  { what: 'another length', before: { total: 1_000_001 }, after: { total: 1_000_000 } },
  { what: 'an ETag no more', before: { etag: '"1"' }, after: {} },
  { what: 'neither ETag nor length', before: {}, after: {} },
]
for (const { what, before, after, isSame } of versions) {
  for (const restarts of [false, true]) {
    const where = restarts ? 'by the next process' : 'by the next attempt'
    test(`a layer that comes on with ${what} is ${isSame ? 'continued' : 'begun again'} ${where}`, async () => {
      const kept = memory()
      const now = isSame ? layer : another
      const starts: number[] = []
      let hasBroken = false
      const open = async (id: string, _: AbortSignal, start: number): Promise<BlobBody> => {
        if (id === parent) return body(chunksOf(layer))
        if (!hasBroken) {
          hasBroken = true
          return body(part(layer, 0, 500_000), before)
        }
        starts.push(start)
        return body(part(now, start), { ...after, start })
      }
      const first = taking(
        async (id, signal, start) => {
          if (!restarts || !hasBroken || id === parent) return open(id, signal, start)
          throw new RegistryError('UPSTREAM_UNAVAILABLE')
        },
        {},
        kept,
      )
      const taken = layersOf(first.take(NAME, tip))
      if (restarts) await failsBy(taken, 'UPSTREAM_UNAVAILABLE')
      const second = taking(open, {}, kept)
      const layers = restarts ? await layersOf(second.take(NAME, tip)) : await taken
      await first.close()
      assert.deepEqual(layers, [digestOf(now), digestOf(layer)])
      assert.equal(starts.at(-1), isSame ? 500_000 : 0)
      await second.close()
    })
  }
}

test('a layer that is not stored any more is asked for again, and may be another one by now', async () => {
  const kept = memory()
  let now = layer
  const it = taking(async (id) => body(chunksOf(id === tip ? now : layer)), {}, kept)
  assert.deepEqual(await layersOf(it.take(NAME, tip)), [digestOf(layer), digestOf(layer)])
  await kept.blobs.delete(digestOf(layer))
  now = another
  assert.deepEqual(await layersOf(it.take(NAME, tip)), [digestOf(another), digestOf(layer)])
  assert.deepEqual(await layersOf(it.take(NAME, tip)), [digestOf(another), digestOf(layer)])
  await it.close()
})

test('a layer that two images share is taken to its end when one of them fails', async () => {
  const gate = Promise.withResolvers<void>()
  const other = idOf('other')
  let opened = 0
  const it = taking(async (id) => {
    if (id === tip) return undefined
    if (id === other) return body(chunksOf(another))
    opened += 1
    return body(chunksOf(layer, gate.promise))
  })
  const good = layersOf(it.take(NAME, other))
  await failsBy(it.take(NAME, tip), 'UPSTREAM_INVALID')
  gate.resolve()
  assert.deepEqual(await good, [digestOf(another), digestOf(layer)])
  assert.equal(opened, 1)
  await it.close()
})

test('a layer that comes a byte at a time loses its place', async () => {
  let clock = 0
  let sent = 0
  async function* drops(): AsyncGenerator<Buffer> {
    for (;;) {
      clock += 29_000
      sent += 1
      yield Buffer.alloc(1)
    }
  }
  const it = taking(async () => body(drops()), { now: () => clock })
  await failsBy(it.take(NAME, tip), 'UPSTREAM_TIMEOUT', 'less than 1 KiB/s of a layer came')
  assert.ok(sent <= 2 * 4 * 3, `${sent} bytes`)
  await it.close()
})

test('one repository has a share of the images and layers that are taken at once', async () => {
  const opened = new Map<string, number>()
  const kept = memory()
  const it = imageTaking({
    endpoint: 'up (http://old)',
    requests,
    store: { ...kept, isComplete: async () => false, grant: async () => {} },
    withTimeout: (work, signal) => work(signal ?? new AbortController().signal),
    openLayer: (repository, _id, _start, signal) => {
      opened.set(repository, (opened.get(repository) ?? 0) + 1)
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      )
    },
  })
  const running = Array.from({ length: 4 }, (_, i) => it.take(NAME, idOf(`tip ${i}`)))
  const ended = Promise.allSettled(running)
  await failsBy(it.take(NAME, idOf('fifth')), 'TOOMANYREQUESTS')
  const others = Promise.allSettled([it.take('library/other', tip)])
  await eventually(() => opened.get('library/other') === 2, 20_000)
  assert.equal(opened.get(NAME), 2)
  await it.close()
  await Promise.all([ended, others])
})

test('an image that takes longer than any is a failure of upstream', async () => {
  const hangs = taking(
    (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    { longest: 50 },
  )
  await failsBy(hangs.take(NAME, tip), 'UPSTREAM_TIMEOUT', 'the image took too long')
  await hangs.close()
  // While it pauses between two attempts, too.
  const fails = taking(() => Promise.reject(broken()), { longest: 50 })
  await failsBy(fails.take(NAME, tip), 'UPSTREAM_TIMEOUT', 'the image took too long')
  await fails.close()
})

test('an unfinished download that is shorter than it should be is a failure of the store', async () => {
  const kept = memory()
  const short: typeof kept.blobs = {
    ...kept.blobs,
    async ingest(expected) {
      const ingest = await kept.blobs.ingest(expected)
      return { ...ingest, read: async () => 0 }
    },
  }
  const it = taking(async () => body(chunksOf(layer)), {}, { ...kept, blobs: short })
  await failsBy(it.take(NAME, tip), 'STORAGE')
  await it.close()
})
