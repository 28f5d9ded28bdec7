import assert from 'node:assert/strict'
import { once } from 'node:events'
import { truncate } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, createConnection } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { cidrList, LOOPBACK } from '../../src/util/cidr.ts'
import { adminAccess } from '../../src/admin/admin-access.ts'
import { adminApp } from '../../src/admin/admin-routes.ts'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { openBelow } from '../support/leaks.ts'
import { addImage } from '../storage/images.ts'
import { type OpenStore, put, type StoreFolder, storeFolder } from '../storage/setup.ts'

const [base, one, two] = [blobOf(1_000_000, 1), blobOf(2_000, 2), blobOf(3_000, 3)]
const JSON_TYPE = { 'Content-Type': 'application/json' }
let folder: StoreFolder
let store: OpenStore
let server: Server
let port: number

before(async () => {
  folder = await storeFolder()
  store = await folder.open({ now: () => 86_400_000, pinned: [parseImagePattern('quay.io/*')!] })
  await addImage(store, 'ghcr.io/org/app', '1', [base, one])
  await addImage(store, 'ghcr.io/org/app', '2', [base, two])
  const app = adminApp({
    metrics: { render: async () => ({ contentType: 'text/plain', body: '' }) },
    ready: async () => [],
    transfers: () => [],
    history: store.tags.history,
    operations: store,
    audit: { record() {}, list: () => [] },
    jobs: { list: () => [], cancel: () => false },
    events: { since: () => [] },
    parsePattern: parseImagePattern,
    now: () => 86_400_000,
    failed: (error) => assert.fail(error as Error),
  })
  const letIn = adminAccess({ isLocal: cidrList(LOOPBACK), hosts: [], token: () => undefined })
  server = createServer(letIn(app))
  server.listen(0)
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
after(async () => {
  server.close()
  await store.close()
  await folder[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = body === undefined ? {} : JSON_TYPE,
  host = '127.0.0.1',
): Promise<Answer> {
  const sent = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)
  // Node sends no Content-Length with a DELETE unless it is told to.
  const length = { 'Content-Length': Buffer.byteLength(sent) }
  const asking = request({
    host,
    port,
    method,
    path: `/api/v1/${path}`,
    headers: { ...headers, ...length },
    agent: false,
  })
  asking.end(sent)
  const [answer] = await once(asking, 'response')
  const text = Buffer.concat(await answer.toArray()).toString()
  assert.match(answer.headers['content-type'], /^application\/json/)
  return { status: answer.statusCode, body: JSON.parse(text) as Record<string, unknown> }
}

suite('the admin API', () => {
  test('GET images: those that match, all without a pattern', async () => {
    const { body } = await ask('GET', 'images?pattern=ghcr.io/org/*:1')
    const [image, ...others] = body['images'] as Record<string, unknown>[]
    assert.deepEqual(others, [])
    const { digest, size, unshared, ...rest } = image!
    assert.deepEqual(rest, {
      image: 'ghcr.io/org/app:1',
      upstream: 'ghcr.io',
      repository: 'org/app',
      tag: '1',
      storedAt: '1970-01-02T00:00:00.000Z',
      lastUsed: '1970-01-02T00:00:00.000Z',
      hits: 0,
      pinned: false,
      vanishing: false,
    })
    assert.match(String(digest), /^sha256:/)
    assert.equal(Number(size) - Number(unshared), base.bytes.length)
    assert.equal(((await ask('GET', 'images')).body['images'] as unknown[]).length, 2)
    assert.deepEqual((await ask('GET', 'images?pattern=nothing')).body, { images: [] })
    assert.equal((await ask('GET', 'images?pattern=a+b')).status, 400)
  })

  test('GET usage', async () => {
    const { status, body } = await ask('GET', 'usage')
    assert.deepEqual([status, body['objects']], [200, 5])
  })

  test('pins: put, listed, deleted', async () => {
    assert.deepEqual(await ask('PUT', 'pins', { pattern: 'node' }), {
      status: 201,
      body: { pattern: 'docker.io/library/node' },
    })
    assert.equal((await ask('PUT', 'pins', { pattern: 'library/node' })).status, 200)
    assert.deepEqual((await ask('GET', 'pins')).body, {
      pins: [
        { pattern: 'quay.io/*', addedAt: null },
        { pattern: 'docker.io/library/node', addedAt: '1970-01-02T00:00:00.000Z' },
      ],
    })
    assert.equal((await ask('DELETE', 'pins', { pattern: 'node' })).status, 200)
    for (const pattern of ['node', 'quay.io/*'])
      assert.equal((await ask('DELETE', 'pins', { pattern })).status, 404)
  })

  test('POST purge, dry and not', async () => {
    const dry = await ask('POST', 'purge', { pattern: 'ghcr.io/org/app:2', dryRun: true })
    assert.equal(dry.body['objects'], 2)
    assert.deepEqual(await ask('POST', 'purge', { pattern: 'ghcr.io/org/app:2' }), dry)
    assert.deepEqual((await ask('POST', 'purge', { pattern: 'ghcr.io/org/app:2' })).body['images'], [])
  })

  test('POST verify: lines of JSON, the last one is done', async () => {
    await put(store, two)
    await truncate(folder.pathOf(two), 1)
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/verify`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ bytesPerSecond: 4_000_000 }),
    })
    const lines = (await answer.text()).trimEnd().split('\n')
    const steps = lines.map((line) => JSON.parse(line) as { isDone: boolean; bad: { digest: string }[] })
    assert.deepEqual(
      steps.flatMap(({ bad }) => bad.map(({ digest }) => digest)),
      [two.digest],
    )
    assert.equal(steps.at(-1)?.isDone, true)
  })

  test('a client that leaves a verification ends it', async () => {
    const leaving = new AbortController()
    const asking = fetch(`http://127.0.0.1:${port}/api/v1/verify`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ bytesPerSecond: 1 }),
      signal: leaving.signal,
    })
    const isReading = async () => (await openBelow(`${folder.path}/blobs`)).length > 0
    await eventually(isReading)
    leaving.abort()
    await asking.then(
      (answer) => assert.rejects(answer.text()),
      () => {},
    )
    await eventually(async () => !(await isReading()))
  })
})

suite('what changes something is refused', () => {
  const pattern = { pattern: 'ghcr.io/*' }
  const stays = async () =>
    assert.notEqual(((await ask('GET', 'images')).body['images'] as unknown[]).length, 0)

  for (const [why, body, headers, status] of [
    ['with an Origin', pattern, { ...JSON_TYPE, Origin: 'http://localhost:5001' }, 403],
    ['from another site in a browser', pattern, { ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['as a form', 'pattern=*', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    ['as text, which needs no leave', pattern, { 'Content-Type': 'text/plain' }, 415],
    ['without a type', pattern, {}, 415],
    ['that is no JSON', '{', JSON_TYPE, 400],
    ['that is no object', '[]', JSON_TYPE, 400],
    ['without a pattern', {}, JSON_TYPE, 400],
    ['with a pattern that is none', { pattern: 'a b' }, JSON_TYPE, 400],
    ['with a key that is none', { ...pattern, force: true }, JSON_TYPE, 400],
    ['that is too long', { pattern: 'a'.repeat(20_000) }, JSON_TYPE, 413],
  ] as const) {
    test(`${why}: ${status}`, async () => {
      for (const [method, path] of [
        ['POST', 'purge'],
        ['PUT', 'pins'],
        ['DELETE', 'pins'],
      ] as const) {
        const answer = await ask(method, path, body, headers)
        assert.equal(answer.status, status, method)
        assert.equal(typeof answer.body['error'], 'string')
      }
      await stays()
    })
  }

  test('over IPv6, and mapped into it, the loopback is one', async () => {
    for (const host of ['::1', '127.0.0.1'])
      assert.equal((await ask('POST', 'purge', { pattern: 'none' }, JSON_TYPE, host)).status, 200)
  })

  test('an unknown path is JSON too', async () => {
    assert.equal((await ask('POST', 'nothing', {})).status, 404)
    const socket = createConnection(port, '127.0.0.1')
    socket.end(
      'POST /api/v1/purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n',
    )
    assert.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1.1 400 .*"error"/s)
  })
})
