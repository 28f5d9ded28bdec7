/** Archives that are refused: each with a reason, and nothing left of it. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { packTar, type TarEntry } from 'modern-tar'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, indexOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

const NAME = 'io.containerd.image.name'
const config = Buffer.from('{}')
const layer = blobOf(300_000, 5).bytes
const manifest = manifestOf([layer])

type Type = NonNullable<TarEntry['header']['type']>

function file(name: string, bytes: Buffer, type: Type = 'file', linkname = ''): TarEntry {
  const isFile = type === 'file'
  return { header: { name, size: isFile ? bytes.length : 0, type, linkname }, ...(isFile && { body: bytes }) }
}

const blob = (bytes: Buffer, content = bytes): TarEntry =>
  file(`blobs/sha256/${descriptorOf(bytes).digest.slice(7)}`, content)

function index(
  body = manifest,
  annotations: object = { [NAME]: 'docker.io/library/app:1' },
  type = OCI_MANIFEST,
): TarEntry {
  const entry = { ...descriptorOf(body, type), annotations }
  return file('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] })))
}

const WHOLE = [index(), blob(config), blob(layer), blob(manifest)]

let target: Proxy
before(async () => {
  target = await startProxy({
    upstream: { url: 'http://127.0.0.1:1' },
    upstreamConfig: { offline: true },
    config: { storage: { root: './data', minFree: 0, maxSize: '20MB' } },
  })
})
after(() => target[Symbol.asyncDispose]())

interface Answer {
  readonly status: number
  readonly error: string
}

async function send(bytes: Uint8Array, to = target): Promise<Answer> {
  const answer = await fetch(`${to.adminUrl}/api/v1/import`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-tar' },
    body: bytes as Uint8Array<ArrayBuffer>,
  })
  const { error = '' } = (await answer.json()) as { error?: string }
  return { status: answer.status, error }
}

/** The last one. */
async function jobOf(of: Proxy): Promise<{ readonly state: string; readonly said: string }> {
  const { jobs } = (await (await fetch(`${of.adminUrl}/api/v1/jobs`)).json()) as {
    jobs: { state: string; said: string }[]
  }
  return jobs[0]!
}

async function assertNothingLeft(of = target): Promise<void> {
  const usage = (await (await fetch(`${of.adminUrl}/api/v1/usage`)).json()) as {
    objects: number
    partialBytes: number
  }
  assert.deepEqual([usage.objects, usage.partialBytes], [0, 0])
  assert.deepEqual(await of.ingest(), [])
  assert.deepEqual(await of.openContent(), [])
}

const damaged = Buffer.from(layer)
damaged[150_000]! ^= 1
const nested = indexOf([descriptorOf(Buffer.from('not there'), OCI_MANIFEST)])
const other = (size: number) =>
  Buffer.from(manifest.toString().replace(`"size":${layer.length}`, `"size":${size}`))

const CASES: readonly (readonly [string, readonly TarEntry[], RegExp])[] = [
  [
    'a symbolic link',
    [file('blobs/sha256/x', config, 'symlink', '/etc/passwd'), ...WHOLE],
    /is a symlink, and not a file/,
  ],
  ['a hard link', [...WHOLE, file('x', config, 'link', 'index.json')], /is a link, and not a file/],
  ['a device', [file('x', config, 'character-device'), ...WHOLE], /is a character-device, and not a file/],
  ['a path upwards', [...WHOLE, file('blobs/../../../evil', config)], /path that leads elsewhere/],
  ['an absolute path', [file('/etc/cron.d/evil', config), ...WHOLE], /path that leads elsewhere/],
  ['a path with a backslash', [file('..\\evil', config), ...WHOLE], /path that leads elsewhere/],
  ['a file twice', [...WHOLE, blob(layer)], /is in the archive twice/],
  ['an index twice', [...WHOLE, index()], /index\.json is in the archive twice/],
  [
    'a damaged layer',
    [index(), blob(config), blob(layer, damaged), blob(manifest)],
    /is damaged: its bytes have another digest/,
  ],
  [
    'a damaged manifest',
    [index(), blob(config), blob(layer), blob(manifest, Buffer.from('{}'))],
    /is damaged/,
  ],
  ['a missing layer', [index(), blob(config), blob(manifest)], /is neither in the archive nor in the store/],
  ['a missing manifest', [index(), blob(config), blob(layer)], /is neither in the archive nor in the store/],
  ['no index', WHOLE.slice(1), /has no index\.json: it is no OCI layout/],
  [
    'an old archive of Docker',
    [file('manifest.json', Buffer.from('[]')), ...WHOLE.slice(1)],
    /Docker before 25/,
  ],
  [
    'an index that is no JSON',
    [file('index.json', Buffer.from('[')), ...WHOLE.slice(1)],
    /lists no manifests/,
  ],
  [
    'an index without digests',
    [file('index.json', Buffer.from('{"manifests":[{}]}'))],
    /entry 1 of index\.json has no digest/,
  ],
  [
    'an empty index',
    [file('index.json', Buffer.from('{"manifests":[]}')), ...WHOLE.slice(1)],
    /holds no image/,
  ],
  [
    'an index that is too long',
    [file('index.json', Buffer.alloc(33 * 1024 * 1024, ' '))],
    /index\.json has \d+ bytes, more than/,
  ],
  [
    'an index of too many values',
    [file('index.json', Buffer.from(`{"manifests":[${'0,'.repeat(300_000)}0]}`))],
    /index\.json has more than/,
  ],
  ['an unknown digest', [...WHOLE, file('blobs/md5/0123', config)], /is no blob/],
  [
    'a layer of another size',
    [index(other(5)), blob(config), blob(layer), blob(other(5))],
    /has 300000 bytes, but .* says 5/,
  ],
  ['a layer as manifest', [index(layer), blob(layer)], /is no manifest/],
  [
    'an index without any platform',
    [index(nested, undefined, OCI_INDEX), blob(nested)],
    /none of its platforms/,
  ],
  [
    'a name that is none',
    [index(manifest, { [NAME]: 'docker.io/../x:1' }), ...WHOLE.slice(1)],
    /is no image of a registry/,
  ],
  [
    'a name of another digest',
    [index(manifest, { [NAME]: `docker.io/library/app@${descriptorOf(layer).digest}` }), ...WHOLE.slice(1)],
    /is not sha256/,
  ],
  [
    'a tag that is none',
    [index(manifest, { [NAME]: 'docker.io/library/app:a b' }), ...WHOLE.slice(1)],
    /is no tag/,
  ],
  [
    'a bare tag',
    [index(manifest, { 'org.opencontainers.image.ref.name': '1' }), ...WHOLE.slice(1)],
    /say --as UPSTREAM\/REPOSITORY/,
  ],
  [
    'more than the store takes',
    [index(), blob(config), blob(blobOf(30_000_000, 6).bytes), blob(layer), blob(manifest)],
    /it takes 29 MiB or more, more than storage\.maxSize allows/,
  ],
]

for (const [what, entries, reason] of CASES) {
  test(`an archive with ${what} is refused, and leaves nothing`, async () => {
    const { status, error } = await send(await packTar([...entries]))
    assert.match(error, reason)
    assert.equal(status, 409)
    await assertNothingLeft()
  })
}

test('an archive that is cut off anywhere is refused, and leaves nothing', async () => {
  const bytes = await packTar(WHOLE)
  for (const end of [
    0,
    100,
    512,
    1_000,
    2_048,
    150_000,
    303_000,
    bytes.length - 1_500,
    bytes.length - 1_024,
    bytes.length - 512,
  ]) {
    const { status, error } = await send(bytes.subarray(0, end))
    assert.deepEqual([status, /truncated|no index/i.test(error)], [409, true], `${end}: ${error}`)
    await assertNothingLeft()
  }
  const text = await send(Buffer.from('no archive, but lines of a log\n'.repeat(100)))
  assert.equal(text.status, 409)
  assert.match(text.error, /^this is no tar archive, or not a whole one \(Invalid tar .+\w\)$/)
  const compressed = zstdCompressSync(bytes)
  const { status } = await send(compressed.subarray(0, compressed.length - 100))
  assert.equal(status, 409)
  await assertNothingLeft()
})

test('a header that is damaged anywhere is refused, and leaves nothing', async () => {
  const bytes = await packTar(WHOLE)
  for (const at of [0, 50, 124, 148, 257, 512 * 2 + 3]) {
    const copy = Buffer.from(bytes)
    copy[at]! ^= 0x55
    assert.equal((await send(copy)).status, 409, String(at))
    await assertNothingLeft()
  }
})

test('a client that leaves in the middle leaves nothing', async () => {
  const bytes = await packTar(WHOLE)
  const sending = request(`${target.adminUrl}/api/v1/import`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-tar', 'Content-Length': bytes.length },
  })
  sending.on('error', () => {})
  sending.write(bytes.subarray(0, bytes.length - 1_500))
  await eventually(async () => (await jobOf(target)).said.startsWith('2 blobs'))
  sending.destroy()
  await eventually(async () => (await jobOf(target)).state !== 'running')
  assert.equal((await jobOf(target)).state, 'cancelled')
  await assertNothingLeft()
})

test('what a client has pulled meanwhile stays when an archive is refused', async () => {
  await using upstream = await fakeUpstream()
  for (const bytes of [layer, config]) upstream.addBlob(bytes)
  upstream.addManifest('library/app', '1', manifest, OCI_MANIFEST)
  await using proxy = await startProxy({ upstream })
  const pull = async () => {
    const answer = await fetch(`${proxy.url}/v2/library/app/blobs/${descriptorOf(layer).digest}`)
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), layer)
    return answer.headers.get('cache-status') ?? ''
  }
  const bytes = await packTar(WHOLE)
  const sending = request(`${proxy.adminUrl}/api/v1/import`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-tar', 'Content-Length': bytes.length },
  })
  sending.on('error', () => {})
  sending.write(bytes.subarray(0, bytes.length - 1_500))
  await eventually(async () => (await jobOf(proxy)).said.startsWith('2 blobs'))
  await pull()
  sending.destroy()
  await eventually(async () => (await jobOf(proxy)).state === 'cancelled')
  assert.match(await pull(), /^entrepot; hit/)
  const { objects } = (await (await fetch(`${proxy.adminUrl}/api/v1/usage`)).json()) as { objects: number }
  assert.equal(objects, 1)
})

test('an archive does not bring its repository to content of another upstream', async () => {
  await using upstream = await fakeUpstream()
  for (const bytes of [layer, config]) upstream.addBlob(bytes)
  upstream.addManifest('private/app', '1', manifest, OCI_MANIFEST)
  await using both = await startProxy({
    upstream: { url: 'http://127.0.0.1:1' },
    config: {
      upstreams: {
        'docker.io': { url: 'http://127.0.0.1:1', offline: true },
        'private.example': { url: upstream.url, allowPrivate: true },
      },
    },
  })
  const pull = async (path: string) =>
    (await fetch(`${both.url}/v2/private.example/private/app/${path}`)).arrayBuffer()
  await pull('manifests/1')
  await pull(`blobs/${descriptorOf(layer).digest}`)
  await pull(`blobs/${descriptorOf(config).digest}`)
  await eventually(async () => (await both.ingest()).length === 0)
  const { status, error } = await send(await packTar([index()]), both)
  assert.deepEqual([status, /neither in the archive nor in the store/.test(error)], [409, true], error)
  const read = await fetch(`${both.url}/v2/docker.io/library/app/blobs/${descriptorOf(layer).digest}`)
  assert.equal(read.status, 404)
})

test('an archive for which the store has no room is told as that, and leaves nothing', async () => {
  const layers = [1, 2, 3].map((seed) => blobOf(8_000_000, seed).bytes)
  const large = manifestOf(layers)
  const tar = await packTar([index(large), blob(config), blob(large), ...layers.map((bytes) => blob(bytes))])
  const { status, error } = await send(tar)
  assert.equal(status, 409)
  assert.match(error, /no room for all of the archive: it takes 23 MiB or more, more than storage\.maxSize/)
  await assertNothingLeft()
})

test('without the token, or from a page of another site, nothing is exported or imported', async () => {
  await using guarded = await startProxy({
    upstream: { url: 'http://127.0.0.1:1' },
    upstreamConfig: { offline: true },
    config: { admin: { host: '127.0.0.1', port: 0, token: 'a-token-of-the-test-000000000000' } },
  })
  const ask = async (path: string, init: RequestInit = {}) =>
    (await fetch(`${guarded.adminUrl}/api/v1/${path}`, init)).status
  assert.equal(await ask('export?pattern=app'), 401)
  const body = new Uint8Array(1024)
  assert.equal(
    await ask('import', { method: 'POST', body, headers: { 'Content-Type': 'application/x-tar' } }),
    401,
  )
  assert.equal(await ask('import', { method: 'POST', body, headers: { 'Content-Type': 'text/plain' } }), 415)
  const port = Number(new URL(guarded.adminUrl).port)
  for (const path of [
    '/api/v1/%65xport?pattern=app',
    '/api/v1/x/../export?pattern=app',
    '/api/v1/x/%2e%2e/export?pattern=app',
    '/api/v1/export/?pattern=app',
    `${guarded.adminUrl}/api/v1/export?pattern=app`,
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const { status } = await call(port, method, path)
      assert.ok([400, 401, 404].includes(status), `${method} ${path}: ${status}`)
    }
  }
  const Authorization = 'Bearer a-token-of-the-test-000000000000'
  assert.equal(await ask('export?pattern=app', { headers: { Authorization } }), 409)
  assert.equal(
    await ask('export?pattern=app', { headers: { Authorization, Origin: 'https://evil.example' } }),
    403,
  )
})

test('the whole archive is taken in after all of that', async () => {
  assert.equal((await send(await packTar([file('./', config, 'directory'), ...WHOLE]))).status, 200)
  const answer = await fetch(`${target.url}/v2/library/app/manifests/1`)
  assert.equal(answer.headers.get('docker-content-digest'), descriptorOf(manifest).digest)
})
