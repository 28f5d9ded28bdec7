/** nginx in front, which sends stored blobs from the store's folder itself, by the snippet of docs/nginx.md. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { ACCEL, nginxFront } from './support/nginx-front.ts'
import { missing } from './support/processes.ts'
import { proxyProcess, type ProxyProcess } from './support/proxy-process.ts'

const MiB = 1024 * 1024
const { bytes, digest } = blobOf(8 * MiB + 3)
const BLOB = `/v2/library/app/blobs/${digest}`

interface Front extends AsyncDisposable {
  readonly url: string
  readonly proxy: ProxyProcess
  readonly upstream: FakeUpstream
  /** How many answers nginx took from a file. */
  files(): Promise<number>
}

async function front(config: object = {}): Promise<Front> {
  await using starting = new AsyncDisposableStack()
  const folder = starting.use(await tempFolder())
  const upstream = starting.use(await fakeUpstream())
  upstream.addBlob(bytes)
  const proxy = starting.use(
    await proxyProcess(join(folder.path, 'entrepot'), upstream.url, {
      listen: {
        host: '127.0.0.1',
        port: 0,
        accel: ACCEL,
      },
      storage: { root: './data', minFree: 0, verify: 'never' },
      ...config,
    }),
  )
  const nginx = starting.use(
    await nginxFront(join(folder.path, 'nginx'), {
      authority: proxy.authority,
      store: join(folder.path, 'entrepot', 'data'),
    }),
  )
  const parts = starting.move()
  return {
    url: nginx.url,
    proxy,
    upstream,
    async files() {
      const log = await readFile(nginx.log, 'utf8')
      return log.split('\n').filter((name) => name.includes('/data/blobs/')).length
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function body(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

suite('X-Accel-Redirect, with nginx', { skip: missing('nginx') }, () => {
  test('a stored blob is sent by nginx, with the headers of ours, in whole and in part', async () => {
    await using nginx = await front()
    const cold = await fetch(nginx.url + BLOB)
    assert.ok((await body(cold)).equals(bytes))
    assert.equal(await nginx.files(), 0)

    const direct = await fetch(nginx.proxy.url + BLOB, { headers: { 'X-Forwarded-For': '10.0.0.1' } })
    await body(direct)
    const warm = await fetch(nginx.url + BLOB)
    assert.ok((await body(warm)).equals(bytes))
    await eventually(async () => (await nginx.files()) === 1)
    for (const name of [
      'content-type',
      'content-length',
      'docker-content-digest',
      'etag',
      'accept-ranges',
      'x-content-type-options',
      'content-security-policy',
      'docker-distribution-api-version',
    ]) {
      assert.equal(warm.headers.get(name), cold.headers.get(name), name)
    }
    assert.equal(warm.headers.get('cache-status'), 'entrepot; hit')
    assert.match(warm.headers.get('x-request-id') ?? '', /./)
    assert.equal(warm.headers.get('x-accel-redirect'), null)

    const part = await fetch(nginx.url + BLOB, { headers: { Range: `bytes=${MiB}-${MiB + 999}` } })
    assert.deepEqual(
      [part.status, part.headers.get('content-range')],
      [206, `bytes ${MiB}-${MiB + 999}/${bytes.length}`],
    )
    assert.ok((await body(part)).equals(bytes.subarray(MiB, MiB + 1000)))
    await eventually(async () => (await nginx.files()) === 2)
  })

  test('everything else is as always: HEAD, 304, 416, several ranges, an unknown blob', async () => {
    await using nginx = await front()
    await body(await fetch(nginx.url + BLOB))
    const ask = (headers: Record<string, string>, method = 'GET') =>
      fetch(nginx.url + BLOB, { method, headers })
    const head = await ask({}, 'HEAD')
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(bytes.length)])
    assert.equal((await ask({ 'If-None-Match': `"${digest}"` })).status, 304)
    assert.equal((await ask({ Range: 'bytes=99999999-' })).status, 416)
    const several = await ask({ Range: 'bytes=0-1,5-6' })
    assert.equal(several.status, 200)
    assert.ok((await body(several)).equals(bytes))
    const unknown = await fetch(`${nginx.url}/v2/library/app/blobs/sha256:${'0'.repeat(64)}`)
    assert.equal(unknown.status, 404)
    assert.equal((await fetch(`${nginx.url}/entrepot-store/FORMAT`)).status, 404)
  })

  test('404 for a repository that may not read, though the blob is stored', async () => {
    await using nginx = await front()
    await body(await fetch(nginx.url + BLOB))
    nginx.upstream.on(/\/other\//, { status: 404, times: Infinity })
    const other = await fetch(`${nginx.url}/v2/library/other/blobs/${digest}`)
    assert.equal(other.status, 404)
    await body(other)
    assert.equal(await nginx.files(), 0)
  })

  test('a client that is no proxy is never told of a file', async () => {
    await using nginx = await front({
      listen: {
        host: '127.0.0.1',
        port: 0,
        accel: { ...ACCEL, proxies: ['10.9.8.7'] },
      },
    })
    await body(await fetch(nginx.url + BLOB))
    const warm = await fetch(nginx.proxy.url + BLOB, { headers: { 'X-Forwarded-For': '10.9.8.7' } })
    assert.equal(warm.headers.get('x-accel-redirect'), null)
    assert.ok((await body(warm)).equals(bytes))
  })
})
