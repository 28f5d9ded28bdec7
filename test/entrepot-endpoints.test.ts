/** Several addresses of one upstream: who is asked, and what the client gets. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream, type Script } from './support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

const PATH = '/v2/library/app/manifests/v1'
const [ofFirst, ofSecond] = [blobOf(100, 1), blobOf(100, 2)].map(({ bytes }) => manifestOf([bytes])) as [
  Buffer,
  Buffer,
]
const always = { tags: [{ match: '.*', fresh: '0s' }], negative: '0s', lists: '0s' }

const ANSWERS = {
  found: {},
  '404': { status: 404 },
  '401': { status: 401 },
  '403': { status: 403 },
  '429': { status: 429, headers: { 'Retry-After': '60' } },
  '500': { status: 500 },
  hang: { delayMs: Infinity },
  refused: {},
  // It says by HEAD what the tag is, and cannot send that.
  'found, then reset': { method: 'GET', atByte: { k: 0, then: 'reset' } },
} as const satisfies Record<string, Script>
type Kind = keyof typeof ANSWERS
const KINDS = Object.keys(ANSWERS) as Kind[]

/** What a client gets when an endpoint is out, and none has answered. */
const OUT: Partial<Record<Kind, number>> = {
  '429': 503,
  '500': 502,
  hang: 504,
  refused: 502,
  'found, then reset': 502,
}

/** `headers`: how long an endpoint may take, in milliseconds. */
async function twoEndpoints(headers = 20_000) {
  const [first, second] = [await fakeUpstream(), await fakeUpstream()]
  first.addManifest('library/app', 'v1', ofFirst, OCI_MANIFEST)
  second.addManifest('library/app', 'v1', ofSecond, OCI_MANIFEST)
  const proxy = await startProxy({
    upstream: first,
    config: {
      cache: always,
      upstreams: {
        'docker.io': {
          endpoints: [first.url, { url: second.url, username: 'ci', password: 'of-the-second' }],
          timeouts: { connect: '1s', headers: `${headers}ms`, idle: '1s' },
        },
      },
    },
  })
  return {
    first,
    second,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy.stop()
      await Promise.all([first.stop(), second.stop()])
    },
  }
}

async function answers(fake: FakeUpstream, kind: Kind): Promise<void> {
  if (kind === 'refused') await fake.stop()
  else if (kind !== 'found') fake.on(/./, { ...ANSWERS[kind], times: 1000 })
}

suite('two endpoints of one upstream', () => {
  for (const one of KINDS) {
    for (const other of KINDS) {
      test(`${one}, then ${other}`, async () => {
        await using both = await twoEndpoints(one === 'hang' || other === 'hang' ? 500 : undefined)
        await answers(both.first, one)
        await answers(both.second, other)
        const { status, headers, body } = await call(both.proxy.port, 'GET', PATH)
        const hasAnswered = one === 'found' || one === 'found, then reset'
        const from = one === 'found' ? ofFirst : !hasAnswered && other === 'found' ? ofSecond : undefined
        if (one === 'found') assert.equal(both.second.requests.length, 0)
        if (from !== undefined) {
          assert.equal(status, 200, String(body))
          assert.equal(headers['docker-content-digest'], digestOf(from))
        } else {
          const expected = [OUT[one], OUT[other]].filter((each) => each !== undefined)
          assert.ok(expected.length === 0 ? status === 404 : expected.includes(status), `${status} ${body}`)
        }
      })
    }
  }

  for (const [kind, status] of [
    ['404', 404],
    ['403', 404],
    ['500', 502],
  ] as const) {
    test(`a repository whose tags one has listed is its own, though it says ${kind} later`, async () => {
      await using both = await twoEndpoints()
      assert.equal((await call(both.proxy.port, 'GET', '/v2/library/app/tags/list')).status, 200)
      await answers(both.first, kind)
      assert.equal((await call(both.proxy.port, 'GET', PATH)).status, status)
      assert.equal(both.second.requests.length, 0)
    })
  }

  test('what only an endpoint has that is out is not taken for gone, however often it is asked', async () => {
    await using both = await twoEndpoints()
    await answers(both.first, 'refused')
    await answers(both.second, '404')
    for (let i = 0; i < 12; i++) {
      assert.equal((await call(both.proxy.port, 'GET', PATH)).status, 502)
      assert.equal(
        (await call(both.proxy.port, 'GET', `/v2/library/app/blobs/${blobOf(9).digest}`)).status,
        502,
      )
    }
  })

  test('a tag that one has answered is not asked of another when that one is out', async () => {
    await using both = await twoEndpoints()
    assert.equal(
      (await call(both.proxy.port, 'GET', PATH)).headers['docker-content-digest'],
      digestOf(ofFirst),
    )
    await answers(both.first, '500')
    const stale = await call(both.proxy.port, 'GET', PATH)
    assert.equal(stale.headers['docker-content-digest'], digestOf(ofFirst))
    assert.match(stale.headers['cache-status']!, /stale-if-error/)
    assert.equal(both.second.requests.length, 0)
  })

  test('content comes from whoever has it, and goes on from another when one breaks off', async () => {
    await using both = await twoEndpoints()
    const { bytes, digest } = blobOf(3_000_000)
    both.first.addBlob(bytes)
    both.second.addBlob(bytes)
    both.first.on(/blobs/, { atByte: { k: 1_000_000, then: 'reset' } })
    both.first.on(/blobs/, { status: 404, times: 1000 })
    const { status, body } = await call(both.proxy.port, 'GET', `/v2/library/app/blobs/${digest}`)
    assert.equal(status, 200)
    assert.equal(digestOf(body), digest)
  })

  test('the credentials of one are never shown to the other', async () => {
    await using both = await twoEndpoints()
    const login = Buffer.from('ci:of-the-second').toString('base64')
    both.first.on(/./, { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="a"' }, times: 1000 })
    both.second.on(/./, { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="b"' } })
    assert.equal((await call(both.proxy.port, 'GET', PATH)).status, 200)
    const shown = (fake: FakeUpstream) =>
      fake.requests.some(({ headers }) => headers.authorization === `Basic ${login}`)
    assert.deepEqual([shown(both.first), shown(both.second)], [false, true])
  })

  test('referrers that one has none of, and another denies, are none', async () => {
    await using both = await twoEndpoints()
    const { digest } = blobOf(9)
    both.second.on(/./, { status: 403, times: 1000 })
    const { status, body } = await call(both.proxy.port, 'GET', `/v2/library/app/referrers/${digest}`)
    assert.equal(status, 200, String(body))
    assert.deepEqual((JSON.parse(String(body)) as { manifests: unknown[] }).manifests, [])
  })

  test('what has to be mended is told by a key that the configuration has', async () => {
    await using both = await twoEndpoints()
    await answers(both.first, 'refused')
    const name = `docker.io (${both.first.url})`
    let advice: string | null | undefined
    await eventually(async () => {
      await call(both.proxy.port, 'GET', `/v2/library/app/manifests/${Math.random()}`)
      const answer = await fetch(`${both.proxy.adminUrl}/api/v1/upstreams`)
      const { upstreams } = (await answer.json()) as { upstreams: { name: string; advice: string | null }[] }
      advice = upstreams.find((each) => each.name === name)?.advice
      return typeof advice === 'string'
    }, 20_000)
    assert.equal(advice, 'check upstreams.docker.io.endpoints[].url, and that the registry runs')
  })
})
