/** The meaning of paths. Requests skip Node's parser, so that any text can be a path. */
import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { BufferPool } from '../../src/http/pieces/buffer-pool.ts'
import { Pieces } from '../../src/http/pieces/pieces.ts'
import { Exchange } from '../../src/http/exchange.ts'
import { dispatch } from '../../src/http/hono-adapter.ts'
import { registryRoutes } from '../../src/http/routes.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Address } from '../../src/ports/repository.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapInUse(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const digest = digestOf(Buffer.from('content'))
const empty = new MemoryRegistry()

interface Outcome {
  readonly exchange: Exchange
  /** The addresses that the registry was asked to find. */
  readonly addresses: readonly Address[]
  readonly failure: unknown
}

function exchangeOf(path: string, method: string): Exchange {
  const incoming = Object.assign(new IncomingMessage(new Socket()), { method, url: path })
  return new Exchange(incoming, new ServerResponse(incoming))
}

async function request(path: string, method: string): Promise<Outcome> {
  const exchange = exchangeOf(path, method)
  const addresses: Address[] = []
  let failure: unknown
  const find = (address: Address) => {
    addresses.push(address)
    return empty.find(address)
  }
  const fail = (error: unknown) => (failure = error)
  await dispatch(
    registryRoutes({ registry: { find }, sending: { pieces: new Pieces(new BufferPool()) }, fail }),
    exchange,
  )
  return { exchange, addresses, failure }
}

/** The target of the path, or the code of its refusal; undefined for a path that the spec does not have. */
async function meaning(path: string, method = 'GET'): Promise<unknown> {
  const { exchange, addresses, failure } = await request(path, method)
  const [address] = addresses
  if (address !== undefined) {
    const { kind, reference } = exchange
    return { kind, name: address.name, ...(reference !== undefined && { reference }) }
  }
  if (failure === undefined) return 'ping'
  assert.ok(isRegistryError(failure), String(failure))
  return failure.detail['path'] === undefined ? failure.code : undefined
}

test('the paths of the distribution spec', async () => {
  assert.deepEqual(await meaning('/v2/'), 'ping')
  assert.deepEqual(await meaning('/v2'), 'ping')
  assert.deepEqual(await meaning('/v2/library/alpine/manifests/3.20'), {
    kind: 'tag',
    name: 'library/alpine',
    reference: '3.20',
  })
  assert.deepEqual(await meaning(`/v2/a/manifests/${digest}`), {
    kind: 'manifest',
    name: 'a',
    reference: digest,
  })
  assert.deepEqual(await meaning(`/v2/ghcr.io/org/app/blobs/${digest}`), {
    kind: 'blob',
    name: 'ghcr.io/org/app',
    reference: digest,
  })
  assert.deepEqual(await meaning('/v2/a/b/tags/list'), { kind: 'tags', name: 'a/b' })
  assert.deepEqual(await meaning(`/v2/a/referrers/${digest}`), {
    kind: 'referrers',
    name: 'a',
    reference: digest,
  })
})

test('repositories may be called like the words of the grammar', async () => {
  assert.deepEqual(await meaning(`/v2/foo/blobs/bar/manifests/latest`), {
    kind: 'tag',
    name: 'foo/blobs/bar',
    reference: 'latest',
  })
  assert.deepEqual(await meaning('/v2/tags/list/tags/list'), { kind: 'tags', name: 'tags/list' })
})

test('SEC-50 what is malformed is refused by name, and what is no path of the spec is none', async () => {
  const table: [path: string, expected: unknown][] = [
    ['/v1/', undefined],
    ['/v2/x', undefined],
    ['/v2/_catalog', undefined],
    ['/v2//manifests/x', undefined],
    ['/v2/a/manifests/', undefined],
    ['/v2/a/blobs/x/y', undefined],
    ['/v2//a/manifests/x', 'NAME_INVALID'],
    ['/v2/a//b/manifests/x', 'NAME_INVALID'],
    ['/v2/../a/manifests/x', 'NAME_INVALID'],
    ['/v2/a/../../etc/manifests/x', 'NAME_INVALID'],
    ['/v2/a%2fb/manifests/x', 'NAME_INVALID'],
    ['/v2/a\\b/manifests/x', 'NAME_INVALID'],
    ['/v2/A/manifests/x', 'NAME_INVALID'],
    ['/v2/a\0/manifests/x', 'NAME_INVALID'],
    ['/v2/a;b/manifests/x', 'NAME_INVALID'],
    [`/v2/${'a'.repeat(256)}/manifests/x`, 'NAME_INVALID'],
    ['/v2/a/manifests/.x', 'TAG_INVALID'],
    [`/v2/a/manifests/${'x'.repeat(129)}`, 'TAG_INVALID'],
    ['/v2/a/manifests/x%00', 'TAG_INVALID'],
    ['/v2/a/manifests/sha256:x', 'DIGEST_INVALID'],
    ['/v2/a/blobs/latest', 'DIGEST_INVALID'],
    ['/v2/a/blobs/..', 'DIGEST_INVALID'],
    ['/v2/a/referrers/latest', 'DIGEST_INVALID'],
  ]
  for (const [path, expected] of table) assert.deepEqual(await meaning(path), expected, JSON.stringify(path))
})

test('whatever is accepted reads back as the same path', async () => {
  const component = fc.stringMatching(/^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+){0,2}$/)
  const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/)
  await fc.assert(
    fc.asyncProperty(name, tag, async (name, tag) => {
      fc.pre(name.length <= 255)
      assert.deepEqual(await meaning(`/v2/${name}/manifests/${tag}`), { kind: 'tag', name, reference: tag })
    }),
  )
})

test('no string at all makes it throw anything but a registry error', async () => {
  await fc.assert(fc.asyncProperty(fc.string(), async (text) => void (await meaning(`/v2/${text}`))))
})

test('SEC-26: a write below /v2 is UNSUPPORTED whatever its path, and elsewhere there is nothing', async () => {
  for (const path of ['/v2', '/v2/', '/v2/a/manifests/b', '/v2/_catalog', '/v2//', '/v2/a%2fb', '/v2/../x']) {
    assert.equal(await meaning(path, 'PUT'), 'UNSUPPORTED', path)
  }
  for (const path of ['/', '/v2x', '/v1/', '//v2/']) assert.equal(await meaning(path, 'PUT'), undefined, path)
})

test('a route that waits for nothing has answered when dispatch returns, by GET and HEAD', () => {
  const registry = registryRoutes({
    registry: empty,
    sending: { pieces: new Pieces(new BufferPool()) },
    fail: assert.ifError,
  })
  for (const method of ['GET', 'HEAD']) {
    const exchange = exchangeOf('/v2/', method)
    assert.equal(dispatch(registry, exchange), undefined)
    assert.equal(exchange.outgoing.headersSent, true)
  }
})

test('SEC-71: a name that is kept does not keep the URL that it came from', () => {
  const names: string[] = []
  const routes = registryRoutes({
    registry: { find: ({ name }) => void names.push(name) },
    sending: { pieces: new Pieces(new BufferPool()) },
    fail() {},
  })
  const ask = (i: number): void => {
    // As Node makes it.
    const url = Buffer.from(`/v2/library/app${i}/tags/list?n=1&x=${'x'.repeat(8000)}`).toString('latin1')
    try {
      void dispatch(routes, exchangeOf(url, 'GET'))
    } catch (error) {
      assert.ok(isRegistryError(error, 'NAME_UNKNOWN'))
    }
  }
  for (let i = 0; i < 100; i++) ask(i)
  const before = heapInUse()
  for (let i = 0; i < 4_000; i++) ask(i)
  const kept = heapInUse() - before
  assert.equal(names.length, 4_100)
  assert.ok(kept < 8_000_000, `${kept} bytes for 4,000 names, of URLs of 32 MB`)
})

test('a path that was answered from memory means the same again, and is not routed again', () => {
  const addresses: Address[] = []
  const failures: unknown[] = []
  const body = Buffer.from('content')
  const manifest = { body, descriptor: { digest, mediaType: OCI_MANIFEST, size: body.length } }
  const repository = { ...empty.find({ name: 'library/app' })!, manifests: { get: () => manifest } }
  const routes = registryRoutes({
    registry: { find: (address) => (addresses.push(address), repository) },
    sending: { pieces: new Pieces(new BufferPool()) },
    fail: (error) => void failures.push(error),
  })
  const path = `/v2/library/app/manifests/${digest}`
  for (const asked of ['GET', 'HEAD', 'GET', 'PUT']) {
    const exchange = exchangeOf(`${path}?ns=ghcr.io`, asked)
    void dispatch(routes, exchange)
    if (asked === 'PUT') break
    assert.deepEqual([exchange.kind, exchange.outgoing.statusCode], ['manifest', 200])
    assert.notEqual(routes.recall(path), undefined)
  }
  const address = { namespace: 'ghcr.io', host: undefined, name: 'library/app' }
  assert.deepEqual(addresses, [address, address, address])
  assert.deepEqual(
    failures.map((error) => isRegistryError(error) && error.code),
    ['UNSUPPORTED'],
  )
  void dispatch(routes, exchangeOf('/v2/library/app/manifests/.x', 'GET'))
  assert.equal(routes.recall('/v2/library/app/manifests/.x'), undefined)
})

test('SEC-80: paths that upstream is asked for, or that are refused, are not remembered', async () => {
  const routes = registryRoutes({
    registry: empty,
    sending: { pieces: new Pieces(new BufferPool()) },
    fail: () => {},
  })
  for (const path of [`/v2/library/app/manifests/${digest}`, `/v2/library/app/blobs/${digest}`]) {
    await dispatch(routes, exchangeOf(path, 'GET'))?.catch(() => {})
    assert.equal(routes.recall(path), undefined)
  }
})
