/** Every key by environment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { ConfigError } from '../../src/config/config-error.ts'
import { describeConfig } from '../../src/config/describe.ts'
import { variableOf } from '../../src/config/sources/environment-settings.ts'
import { fileSchema } from '../../src/config/schema/file-schema.ts'
import { schemaKeys } from '../../src/config/schema/schema-keys.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { load } from './folder.ts'

/** What the variable of each key holds, and what the configuration says then; left out: the same. */
const VALUES: Readonly<Record<string, readonly [text: string, effect?: unknown]>> = {
  listen: ['{ port: 81 }', { port: 81 }],
  'listen.host': ['10.0.0.1'],
  'listen.port': ['82', 82],
  'listen.tls': ['{"cert": "a.crt", "key": "a.key"}', {}],
  'listen.tls.cert': ['a.crt', /\/a\.crt$/],
  'listen.tls.key': ['a.key', /\/a\.key$/],
  'listen.tls.clientCa': ['a.crt', /\/a\.crt$/],
  'listen.tls.clientAuth': ['optional'],
  'listen.maxConnections': ['17', 17],
  'listen.maxConnectionsPerAddress': ['18', 18],
  'listen.ratePerClient': ['1MB/s'],
  'listen.accel': [
    '{ prefix: /store/, proxies: [10.0.0.1] }',
    { header: 'X-Accel-Redirect', prefix: '/store/', proxies: ['10.0.0.1'] },
  ],
  'listen.accel.header': ['X-Sendfile'],
  'listen.accel.prefix': ['/store/'],
  'listen.accel.proxies': ['["10.0.0.1"]', ['10.0.0.1']],
  admin: ['false', false],
  'admin.host': ['::1'],
  'admin.port': ['83', 83],
  'admin.tls': ['{ cert: a.crt, key: a.key }', {}],
  'admin.tls.cert': ['a.crt', /\/a\.crt$/],
  'admin.tls.key': ['a.key', /\/a\.key$/],
  'admin.hosts': ['[cache.example.org]', ['cache.example.org']],
  'admin.access': ['{ networks: [10.0.0.0/8] }', { networks: ['10.0.0.0/8'] }],
  'admin.access.networks': ['["10.0.0.0/8", "::1"]', ['10.0.0.0/8', '::1']],
  'admin.token': ['a-token-of-${16}-characters', '********'],
  'admin.tokenFile': ['token', /\/token$/],
  access: ['{ trustedProxies: [10.0.0.1] }', { trustedProxies: ['10.0.0.1'] }],
  'access.networks': ['- 10.0.0.0/8\n- 192.168.0.0/16', ['10.0.0.0/8', '192.168.0.0/16']],
  'access.trustedProxies': ['[10.0.0.1]', ['10.0.0.1']],
  'access.htpasswd': ['users', /\/users$/],
  'access.oidc': ['{ issuer: https://i, audience: a, jwks: https://i/keys, claim: c }', { claim: 'c' }],
  'access.oidc.issuer': ['https://other'],
  'access.oidc.audience': ['b'],
  'access.oidc.jwks': ['https://other/keys'],
  'access.oidc.claim': ['email'],
  'access.rules': ['[{ repositories: ["**"] }]', [{ repositories: ['**'] }]],
  storage: ['{ maxSize: 1GiB }', { maxSize: '1GiB' }],
  'storage.root': ['/srv/store'],
  'storage.maxSize': ['20GiB'],
  'storage.minFree': ['5MiB'],
  'storage.verify': ['always'],
  'storage.lockTimeout': ['7s'],
  'storage.scrub': ['@weekly'],
  'storage.s3': [
    '{ endpoint: https://s3.internal, bucket: images, accessKeyId: a, secretAccessKey: b }',
    { bucket: 'images', region: 'us-east-1', accessKeyId: 'a', secretAccessKey: '********' },
  ],
  'storage.s3.endpoint': ['http://10.0.0.9:9000'],
  'storage.s3.bucket': ['other-images'],
  'storage.s3.region': ['eu-central-1'],
  'storage.s3.prefix': ['cache/a', 'cache/a/'],
  'storage.s3.accessKeyId': ['AKIA'],
  'storage.s3.secretAccessKey': ['secret', '********'],
  'storage.s3.secretAccessKeyFile': ['token', /\/token$/],
  'storage.s3.maxSize': ['2TiB'],
  'storage.s3.redirect': ['{ networks: [10.0.0.0/8] }', { networks: ['10.0.0.0/8'] }],
  'storage.s3.redirect.networks': ['["10.0.0.0/8", "::1"]', ['10.0.0.0/8', '::1']],
  'storage.s3.redirect.publicEndpoint': ['https://s3.example.org'],
  'storage.index': ['{ postgres: postgres://a@db/e }', { postgres: 'postgres://a@db/e' }],
  'storage.index.postgres': [
    'postgres://entrepot:secret@db/entrepot',
    'postgres://entrepot:********@db/entrepot',
  ],
  'storage.index.passwordFile': ['token', /\/token$/],
  cluster: ['{ advertise: http://10.0.0.5:5000, secretFile: token }', { advertise: 'http://10.0.0.5:5000' }],
  'cluster.advertise': ['http://10.0.0.6:5000'],
  'cluster.secretFile': ['token', /\/token$/],
  cache: ['{ ttl: 2d }', { ttl: '2d' }],
  'cache.ttl': ['3d'],
  'cache.ttlFrom': ['fetch'],
  'cache.sweep': ['@hourly'],
  'cache.staleIfError': ['4d'],
  'cache.negative': ['3s'],
  'cache.lists': ['5s'],
  'cache.tags': ['[{ match: ^v, fresh: 3h }]', [{ match: '^v', fresh: '3h' }]],
  'cache.pin': ['["node:20*"]', ['node:20*']],
  'cache.coolDown': ['[{ match: "node:20*", for: 3d }]', [{ match: 'node:20*', for: '3d' }]],
  'cache.keepDeleted': ['["app:v*"]', ['app:v*']],
  views: ['{ asOf: true }', { asOf: true }],
  'views.asOf': ['true', true],
  'views.run': ['true', true],
  'views.host': ['cache.internal'],
  'views.retain': ['[{ match: "node:20*", for: 90d }]', [{ match: 'node:20*', for: '90d' }]],
  'views.keepRuns': ['3d'],
  transfers: ['{ connections: 3 }', { connections: 3 }],
  'transfers.connections': ['5', 5],
  'transfers.segmentAbove': ['3MiB'],
  'transfers.finishFrom': ['50%'],
  'transfers.finishBelow': ['6MiB'],
  'transfers.keepPartial': ['7GiB'],
  'transfers.keepPartialFor': ['5h'],
  'transfers.queueTimeout': ['9s'],
  'transfers.queueLength': ['3', 3],
  'transfers.uploads': ['4', 4],
  shutdown: ['{ delay: 1s }', { delay: '1s' }],
  'shutdown.delay': ['2s'],
  'shutdown.grace': ['3s'],
  log: ['{ level: warn }', { level: 'warn' }],
  'log.level': ['debug'],
  'log.access': ['errors'],
  'log.format': ['json'],
  tracing: ['{ endpoint: "http://c:4318" }', { endpoint: 'http://c:4318/', sample: '1%' }],
  'tracing.endpoint': ['http://c:4318/'],
  'tracing.sample': ['5%'],
  events: [
    '[{ url: https://h.example/x, secret: "a-secret-of-${16}-characters", types: [quota] }]',
    [{ url: 'https://h.example/x', secret: '********', types: ['quota'] }],
  ],
  mirror: [
    '[{ images: [node], tags: { semver: ">=20", latest: 3 }, window: 4h, rate: 50MB/s }]',
    [
      {
        images: ['node'],
        tags: { semver: '>=20', latest: 3 },
        referrers: false,
        schedule: '0 3 * * *',
        window: '4h',
        rate: '50MB/s',
      },
    ],
  ],
  replicate: [
    '[{ images: ["node:20*"], to: r.example/cache, username: u, password: p, rate: 1MB/s }]',
    [{ images: ['node:20*'], to: 'r.example/cache', username: 'u', password: '********', rate: '1MB/s' }],
  ],
  warnings: ['false', false],
  defaultUpstream: ['ghcr.io'],
  publicUpstreams: ['false', false],
  upstreams: [
    '{"public.ecr.aws": {"credentials": "ecr"}, "r": {"url": "https://r.internal", "schema1": "convert", "search": true, "credentials": [{"match": "a/**", "username": "u", "password": "p"}]}, "o": {"endpoints": [{"url": "https://o.internal", "api": "v1"}], "schema1": "convert"}}',
    {
      'public.ecr.aws': { url: 'https://public.ecr.aws', credentials: 'ecr' },
      r: {
        url: 'https://r.internal',
        schema1: 'convert',
        search: true,
        credentials: [{ match: 'a/**', username: 'u', password: '********' }],
      },
      o: { endpoints: [{ url: 'https://o.internal', api: 'v1' }], schema1: 'convert' },
    },
  ],
}

const S3 =
  'storage: { s3: { endpoint: https://s3.internal, bucket: images, accessKeyId: a, secretAccessKey: b } }'
const INDEX = S3.replace('storage: {', 'storage: { index: { postgres: postgres://a@db/e },')
const CLUSTER = 'cluster: { advertise: http://10.0.0.5:5000, secretFile: token }'

/** What a key needs beside it. */
const NEEDS: Readonly<Record<string, string>> = {
  'listen.tls.cert': 'listen: { tls: { key: a.key } }',
  'listen.tls.key': 'listen: { tls: { cert: a.crt } }',
  'listen.tls.clientCa': 'listen: { tls: { cert: a.crt, key: a.key } }',
  'listen.tls.clientAuth': 'listen: { tls: { cert: a.crt, key: a.key, clientCa: a.crt } }',
  'listen.accel.header': 'listen: { accel: { prefix: /a/, proxies: [10.0.0.1] } }',
  'listen.accel.prefix': 'listen: { accel: { proxies: [10.0.0.1] } }',
  'listen.accel.proxies': 'listen: { accel: { prefix: /a/ } }',
  'admin.tls.cert': 'admin: { tls: { key: a.key } }',
  'admin.tls.key': 'admin: { tls: { cert: a.crt } }',
  'access.oidc.issuer': 'access: { oidc: { audience: a, jwks: https://i/keys } }',
  'access.oidc.audience': 'access: { oidc: { issuer: https://i, jwks: https://i/keys } }',
  'access.oidc.jwks': 'access: { oidc: { issuer: https://i, audience: a } }',
  'access.oidc.claim': 'access: { oidc: { issuer: https://i, audience: a, jwks: https://i/keys } }',
  'storage.s3.endpoint': S3,
  'storage.s3.bucket': S3,
  'storage.s3.region': S3,
  'storage.s3.prefix': S3,
  'storage.s3.accessKeyId': S3,
  'storage.s3.secretAccessKey': S3,
  'storage.s3.maxSize': S3,
  'storage.s3.redirect': S3,
  'storage.s3.redirect.networks': S3,
  'storage.s3.redirect.publicEndpoint': S3,
  'storage.s3.secretAccessKeyFile':
    'storage: { s3: { endpoint: https://s3.internal, bucket: images, accessKeyId: a } }',
  'storage.index': `${CLUSTER}\n${S3}`,
  'storage.index.postgres': `${CLUSTER}\n${S3}`,
  'storage.index.passwordFile': `${CLUSTER}\n${INDEX}`,
  cluster: INDEX,
  'cluster.advertise': `cluster: { secretFile: token }\n${INDEX}`,
  'cluster.secretFile': `cluster: { advertise: http://10.0.0.5:5000 }\n${INDEX}`,
  publicUpstreams: 'upstreams: { r: {} }',
  'tracing.sample': 'tracing: { endpoint: "http://c:4318" }',
}

const KEYS = schemaKeys(fileSchema).map(({ path }) => path)

const { cert, key } = selfSignedCertificate()
const FILES = {
  'a.crt': cert,
  'a.key': key,
  token: 'a-token-in-a-file-of-its-own',
  users: `ci:$2y$05$${'a'.repeat(53)}\n`,
}

test('FR-47: every key of the schema can be set by environment, and the environment wins', async (t) => {
  assert.deepEqual(
    KEYS.map((path) => path.join('.')),
    Object.keys(VALUES),
    'a key has no example here',
  )
  for (const path of KEYS) {
    const name = path.join('.')
    const [text, effect = text] = VALUES[name]!
    const config = await load(t, NEEDS[name] ?? '', { env: { [variableOf(path)]: text }, files: FILES })
    const effective = path.reduce<unknown>(
      (section, key) => (section as Record<string, unknown>)[key],
      parse(describeConfig(config)),
    )
    if (effect instanceof RegExp) assert.match(String(effective), effect, name)
    else assert.partialDeepStrictEqual(effective, effect, name)
  }
})

test('FR-47: a value in the environment wins over the file, is literal, and counts as not set when empty', async (t) => {
  const yaml = 'storage: { root: "${ABSENT}", maxSize: 1GiB }\nadmin: false\ncache: { ttl: 2d }'
  const env = {
    ENTREPOT_STORAGE_ROOT: '/srv/${literal}',
    ENTREPOT_STORAGE_MAXSIZE: '',
    ENTREPOT_ADMIN_PORT: '0',
    ENTREPOT_CACHE: '{ ttl: 3d }',
    ENTREPOT_CACHE_NEGATIVE: '1s',
  }
  const { storage, admin, cache } = await load(t, yaml, { env })
  assert.deepEqual([storage.root, storage.maxSize], ['/srv/${literal}', 2 ** 30])
  assert.equal(admin && admin.port, 0)
  assert.deepEqual([cache.ttl, cache.negative], [3 * 86_400_000, 1_000])
})

test('FR-47: names that platforms make are ignored, also of services called entrepot-…', async (t) => {
  const env = {
    ENTREPOT_CONFIG: 'x',
    ENTREPOT_SERVER: 'x',
    ENTREPOT_TOKEN: 'x',
    ENTREPOT_PORT: 'tcp://10.0.0.1:5000',
    ENTREPOT_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    ENTREPOT_PORT_5000_TCP_ADDR: '10.0.0.1',
    ENTREPOT_SERVICE_HOST: '10.0.0.1',
    ENTREPOT_SERVICE_PORT_REGISTRY: '5000',
    ENTREPOT_ADMIN_SERVICE_HOST: '10.0.0.1',
    ENTREPOT_ADMIN_SERVICE_PORT: '5001',
    ENTREPOT_ADMIN_PORT: 'tcp://10.0.0.1:5001',
    ENTREPOT_ADMIN_PORT_5001_TCP_PROTO: 'tcp',
    ENTREPOTS: 'x',
  }
  assert.deepEqual(await load(t, '', { env }).then(({ listen }) => listen.port), 5000)
})

const MISTAKES: readonly (readonly [env: Record<string, string>, line: RegExp])[] = [
  [
    { ENTREPOT_STORAGE_MAXSIZ: '1' },
    /^ENTREPOT_STORAGE_MAXSIZ sets no key of the configuration, did you mean ENTREPOT_STORAGE_MAXSIZE\?$/,
  ],
  [{ ENTREPOT_LSITEN_PORT: '1' }, /did you mean ENTREPOT_LISTEN_PORT\?$/],
  [{ ENTREPOT_SEVER: 'x' }, /did you mean ENTREPOT_SERVER\?$/],
  [{ ENTREPOT_VOGON: 'hunter2' }, /^ENTREPOT_VOGON sets no key of the configuration$/],
  [
    { ENTREPOT_UPSTREAMS_GHCR_IO_URL: 'x' },
    /^ENTREPOT_UPSTREAMS_GHCR_IO_URL sets no key .*, set it in ENTREPOT_UPSTREAMS, as JSON or YAML$/,
  ],
  [
    { ENTREPOT_LISTEN_PORT: '70000' },
    /^ENTREPOT_LISTEN_PORT: listen\.port is "70000", but must be a whole number/,
  ],
  [
    { ENTREPOT_UPSTREAMS: '{ r: { urll: x } }' },
    /^ENTREPOT_UPSTREAMS: upstreams\.r\.urll is not a known key, did you mean `url`\? /,
  ],
  [
    { ENTREPOT_UPSTREAMS: '{ r: { password: hunter2 } }' },
    /^ENTREPOT_UPSTREAMS: upstreams\.r\.username is required with password$/,
  ],
  [{ ENTREPOT_UPSTREAMS: '{"r"' }, /^ENTREPOT_UPSTREAMS:1:\d+: invalid YAML: /],
]

test('FR-47: any other name stops the start like a typo, with the nearest; a bad value names its variable', async (t) => {
  for (const [env, line] of MISTAKES) {
    const message = await load(t, '', { env }).then(
      () => assert.fail(`accepted ${JSON.stringify(env)}`),
      (error: unknown) => (error instanceof ConfigError ? error.message : String(error)),
    )
    assert.match(message, line)
    assert.doesNotMatch(message, /hunter2/)
  }
})
