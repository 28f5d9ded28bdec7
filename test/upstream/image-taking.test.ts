/** How images of the first protocol come into the store: bounds of time and bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import type { V1Content, V1Index } from '../../src/ports/v1-images.ts'
import { imageTaking } from '../../src/upstream/v1/image-taking.ts'
import type { V1Requests } from '../../src/upstream/v1/v1-requests.ts'
import { idOf } from '../support/fake-v1.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'
import { assertFails } from './setup.ts'

const NAME = 'library/old'
const [tip, parent] = [idOf('tip'), idOf('parent')]
const layer = blobOf(1_000_000).bytes

/** The metadata of an image of two layers. */
const requests: V1Requests = {
  upstream: 'up',
  get: async () => undefined,
  async text(_repository, _kind, path) {
    const [, id, what] = path.split('/')
    return JSON.stringify(what === 'ancestry' ? [tip, parent] : { id })
  },
}

function body(chunks: AsyncIterable<Buffer>): BlobBody {
  return { start: 0, ranges: false, [Symbol.asyncIterator]: () => chunks[Symbol.asyncIterator]() }
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

function taking(
  openLayer: (id: string, signal: AbortSignal) => Promise<BlobBody | undefined>,
  options: { readonly patience?: number; readonly mostBytes?: number } = {},
) {
  const { blobs } = memoryStore()
  const index = memoryIndex()
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
    openLayer: (_repository, id, _start, signal) => openLayer(id, signal),
    ...options,
  })
  return { ...it, blobs, index, granted }
}

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
  const manifest = await it.take(NAME, tip)
  assert.deepEqual(
    JSON.parse(String(manifest.body)).fsLayers.map(({ blobSum }: { blobSum: string }) => blobSum),
    [digestOf(layer), digestOf(layer)],
  )
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
