import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { describeConfig } from '../../src/config/describe.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { load } from './folder.ts'

test('the defaults describe themselves', async (t) => {
  const config = await load(t, '')
  assert.deepEqual(await load(t, describeConfig(config)), config)
})

test('units are those that people write', async (t) => {
  const text = describeConfig(await load(t, 'storage: { maxSize: 10GB }\ncache: { negative: 1500ms }'))
  for (const line of [
    'maxSize: 10GB',
    'negative: 1500ms',
    'ttl: 7d',
    'finishFrom: 25%',
    'sweep: "*/5 * * * *"',
  ]) {
    assert.ok(text.includes(`  ${line}\n`), line)
  }
})

test('passwords are masked, and all else of a full file comes back', async (t) => {
  const { cert, key } = selfSignedCertificate()
  const yaml = `
listen: { host: '::', port: 443, tls: { cert: a.crt, key: a.key } }
admin: false
storage: { root: "/srv/$\${literal}", maxSize: 1TiB, minFree: 12345, verify: always, scrub: '@weekly' }
cache: { ttl: 90m, sweep: '@daily', tags: [{ match: 'a/b\\d', fresh: 0s }, { match: '', fresh: 1d }], pin: [node] }
transfers: { finishFrom: 0.333, queueLength: 0 }
log: { level: silent, access: false }
defaultUpstream: b
upstreams:
  a: { username: ci, password: '\${PASSWORD}', aliases: [a.example, a.internal:5000], hosts: [a.local] }
  b: { username: ci, passwordFile: token, credentials: [{ match: org-a/**, username: a, password: '\${PASSWORD}' }, { match: 'org-b/*', username: b, passwordFile: token }], ca: a.crt, allowPrivate: true, timeouts: { idle: 1h } }
  c: { url: http://10.0.0.1:5000, credentialHelper: ecr-login, tokenRealms: [http://auth.internal], maxTransfers: 1, maxSize: 100GiB, rate: 50MB/s, proxy: 'http://u:\${PASSWORD}@proxy.internal:3128' }
  d: { dockerConfig: config.json, insecure: true, allow: [library/*, org/**], deny: [], schema1: convert, rewrite: [{ from: a/**, to: b/** }, { from: c, to: d, always: true }] }
`
  const env = { PASSWORD: 'hunter2' }
  const config = await load(t, yaml, {
    env,
    files: { 'a.crt': cert, 'a.key': key, token: 's3cret', 'config.json': '{}' },
  })
  const text = describeConfig(config)
  assert.doesNotMatch(text, /hunter2|s3cret|PRIVATE KEY/)
  assert.match(text, /^ {4}password: "?\*{8}"?$/m)
  assert.match(text, /^ {6}- match: org-a\/\*\*\n {8}username: a\n {8}password: "?\*{8}"?$/m)
  assert.deepEqual(await load(t, text.replaceAll(/\*{8}/g, '${PASSWORD}'), { env }), config)
})

test('patterns of an upstream are completed as Docker does with names', async (t) => {
  const { upstreams } = await load(
    t,
    `
upstreams:
  docker.io:
    allow: [node, docker.io/alpine, org/app, '*', '**']
    deny: [nod*]
    rewrite: [{ from: centos, to: org/centos }]
    endpoints: [{ url: https://a.example, credentials: [{ match: node, username: u, password: p }] }]
  ghcr.io: { allow: [node, ghcr.io/org/*, '*'] }
`,
  )
  const { allow, deny, rewrite, credentials } = upstreams['docker.io']!
  assert.deepEqual(allow, ['library/node', 'library/alpine', 'org/app', 'library/*', '**'])
  assert.deepEqual([deny, rewrite], [['library/nod*'], [{ from: 'library/centos', to: 'org/centos' }]])
  assert.equal(credentials?.[0]?.match, 'library/node')
  assert.deepEqual(upstreams['ghcr.io']!.allow, ['node', 'org/*', '*'])
})

test('patterns of an upstream know its aliases, and mean the same when they come back', async (t) => {
  const config = await load(
    t,
    `
upstreams:
  docker.io: { allow: [index.docker.io/node, registry-1.docker.io/org/*] }
  ghcr.io:
    aliases: [gh, gh.internal]
    allow: [gh/org/*, gh.internal/app, ghcr.io/gh/own, gh]
    deny: [gh/org/secret, ghcr.io/gh/*]
    rewrite: [{ from: gh/old/*, to: ghcr.io/gh/* }, { from: other/*, to: gh/new/* }]
    credentials: [{ match: gh/org/**, username: u, passwordFile: token }]
  quay.io:
    aliases: [quay]
    endpoints: [{ url: https://a.example, credentials: [{ match: quay/org, username: u, passwordFile: token }] }]
`,
    { files: { token: 's3cret' } },
  )
  const { allow, deny, rewrite, credentials } = config.upstreams['ghcr.io']!
  assert.deepEqual(allow, ['org/*', 'app', 'gh/own', 'gh'])
  assert.deepEqual(deny, ['org/secret', 'gh/*'])
  assert.deepEqual(rewrite, [
    { from: 'old/*', to: 'gh/*' },
    { from: 'other/*', to: 'new/*' },
  ])
  assert.equal(credentials?.[0]?.match, 'org/**')
  assert.equal(config.upstreams['quay.io']!.credentials?.[0]?.match, 'org')
  assert.deepEqual(config.upstreams['docker.io']!.allow, ['library/node', 'org/*'])
  assert.deepEqual(await load(t, describeConfig(config)), config)
})

test('the login of a proxy is masked, whichever part of it is the secret', async (t) => {
  for (const [login, shown] of [
    ['u:hunter2@', 'u:********@'],
    [':hunter2@', ':********@'],
    ['hunter2@', '********@'],
    ['', ''],
  ]) {
    const text = describeConfig(await load(t, `upstreams: { r: { proxy: 'http://${login}p:3128' } }`))
    assert.equal(/^ {4}proxy: "?(.*?)"?$/m.exec(text)?.[1], `http://${shown}p:3128`)
  }
})

test('any numbers come back', async (t) => {
  const bytes = fc.maxSafeNat().map((n) => Math.min(n, 2 ** 52) + 1)
  const milliseconds = fc.integer({ min: 1, max: 2_000_000_000 })
  const numbers = fc.record({ bytes, milliseconds, share: fc.double({ min: 0, max: 1, noNaN: true }) })
  await fc.assert(
    fc.asyncProperty(numbers, async ({ bytes, milliseconds, share }) => {
      const yaml = JSON.stringify({
        storage: { maxSize: bytes },
        transfers: { queueTimeout: `${milliseconds}ms`, finishFrom: share },
      })
      const config = await load(t, yaml)
      assert.deepEqual(
        [config.storage.maxSize, config.transfers.queueTimeout, config.transfers.finishFrom],
        [bytes, milliseconds, share + 0],
      )
      const again = await load(t, describeConfig(config))
      assert.deepEqual({ ...again, storage: { ...again.storage, root: config.storage.root } }, config)
    }),
    { numRuns: 50 },
  )
})
