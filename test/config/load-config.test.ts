import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Config, loadConfig } from '../../src/config/load-config.ts'
import { TagPattern } from '../../src/config/schema/tag-pattern.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { folderOf, load } from './folder.ts'

const PUBLIC = {
  'docker.io': 'https://registry-1.docker.io',
  'ghcr.io': 'https://ghcr.io',
  'quay.io': 'https://quay.io',
  'registry.k8s.io': 'https://registry.k8s.io',
  'gcr.io': 'https://gcr.io',
  'mcr.microsoft.com': 'https://mcr.microsoft.com',
  'public.ecr.aws': 'https://public.ecr.aws',
}

test('without a file the defaults hold', async (t) => {
  const folder = await folderOf(t, {})
  const config = await loadConfig({ file: join(folder, 'proxy.config.yaml'), env: {}, required: false })
  const { upstreams, ...rest } = config
  assert.deepEqual(rest, {
    listen: { host: '0.0.0.0', port: 5000, maxConnections: 8192, maxConnectionsPerAddress: 2048 },
    admin: { host: '127.0.0.1', port: 5001, hosts: [], access: {} },
    access: { trustedProxies: [] },
    storage: {
      root: join(folder, 'data'),
      maxSize: 50 * 2 ** 30,
      minFree: 2 ** 30,
      verify: 'sample',
      lockTimeout: 30_000,
    },
    cache: {
      ttl: 604_800_000,
      ttlFrom: 'use',
      sweep: '*/5 * * * *',
      staleIfError: 604_800_000,
      negative: 10_000,
      lists: 60_000,
      tags: [
        { match: new TagPattern('^v?\\d+\\.\\d+(\\.\\d+)?([-+].*)?$'), fresh: 3_600_000 },
        { match: new TagPattern('.*'), fresh: 60_000 },
      ],
      pin: [],
      coolDown: [],
      keepDeleted: [],
    },
    views: { asOf: false, run: false, host: '', retain: [], keepRuns: 604_800_000 },
    transfers: {
      connections: 4,
      segmentAbove: 32 * 2 ** 20,
      finishFrom: 0.25,
      finishBelow: 64 * 2 ** 20,
      keepPartial: 5 * 2 ** 30,
      keepPartialFor: 86_400_000,
      queueTimeout: 10_000,
      queueLength: 256,
      uploads: 5,
    },
    shutdown: { delay: 0, grace: 25_000 },
    log: { level: 'info', access: true, format: 'auto' },
    events: [],
    mirror: [],
    replicate: [],
    warnings: true,
    defaultUpstream: 'docker.io',
  })
  assert.deepEqual(urlsOf(config), PUBLIC)
  assert.deepEqual(upstreams['docker.io'], {
    name: 'docker.io',
    url: 'https://registry-1.docker.io',
    aliases: [],
    hosts: [],
    tokenRealms: ['https://auth.docker.io'],
    timeouts: { connect: 5_000, headers: 10_000, idle: 30_000 },
    maxTransfers: 16,
  })
})

test('the file that ships says what the defaults are', async () => {
  const root = join(import.meta.dirname, '../..')
  const shipped = await loadConfig({ file: join(root, 'proxy.config.yaml'), env: {}, required: true })
  const builtIn = await loadConfig({ file: join(root, 'absent.yaml'), env: {}, required: false })
  assert.deepEqual(shipped, builtIn)
})

test('a file that was named must be there', async (t) => {
  const file = join(await folderOf(t, {}), 'mine.yaml')
  await assert.rejects(loadConfig({ file, env: {}, required: true }), {
    name: 'ConfigError',
    message: `${file}: cannot read the configuration: no such file`,
  })
})

test('an unreadable file is a mistake even where none is required', async (t) => {
  const folder = await folderOf(t, {})
  await assert.rejects(loadConfig({ file: folder, env: {}, required: false }), {
    name: 'ConfigError',
    message: `${folder}: cannot read the configuration: it is a folder`,
  })
})

test('an empty file, and one of comments, are the defaults', async (t) => {
  for (const yaml of ['', '# nothing\n', '{}']) assert.deepEqual(urlsOf(await load(t, yaml)), PUBLIC)
})

test('an upstream has all that design.md says', async (t) => {
  const { cert } = selfSignedCertificate()
  const config = await load(
    t,
    `
upstreams:
  Example.Internal:5443:
    url: https://example.internal:5443/
    aliases: [Mirror.internal]
    hosts: [example.cache.local]
    username: ci
    password: \${EXAMPLE_TOKEN}
    ca: ./internal-ca.pem
    tokenRealms: [https://auth.internal/token]
    allowPrivate: false
    timeouts: { connect: 500ms }
    maxTransfers: 2
`,
    { env: { EXAMPLE_TOKEN: 's3cret' }, files: { 'internal-ca.pem': cert } },
  )
  const { ca, ...upstream } = config.upstreams['example.internal:5443']!
  assert.equal(ca?.text, cert)
  assert.match(ca.path, /^\/.*\/internal-ca\.pem$/)
  assert.deepEqual(upstream, {
    name: 'example.internal:5443',
    url: 'https://example.internal:5443',
    aliases: ['mirror.internal'],
    hosts: ['example.cache.local'],
    login: { username: 'ci', password: 's3cret' },
    tokenRealms: ['https://auth.internal'],
    allowPrivate: false,
    timeouts: { connect: 500, headers: 10_000, idle: 30_000 },
    maxTransfers: 2,
  })
})

test('upstreams add to the built-in ones, an entry of a built-in name keeps its url, false removes one', async (t) => {
  const yaml = `
upstreams:
  Docker.io: { username: ci, password: x }
  quay.io: false
  '[::1]:5000': { url: 'http://[::1]:5000' }
`
  const config = await load(t, yaml)
  const { 'quay.io': _, ...others } = PUBLIC
  assert.deepEqual(urlsOf(config), { ...others, '[::1]:5000': 'http://[::1]:5000' })
  assert.deepEqual(config.upstreams['docker.io']?.tokenRealms, ['https://auth.docker.io'])
  assert.equal(config.upstreams['docker.io']?.login?.username, 'ci')
})

test('publicUpstreams: false leaves the upstreams that are given', async (t) => {
  const config = await load(t, 'publicUpstreams: false\nupstreams: { ghcr.io: {}, docker.io: {} }')
  assert.deepEqual(urlsOf(config), {
    'ghcr.io': 'https://ghcr.io',
    'docker.io': 'https://registry-1.docker.io',
  })
})

test('the realm of Docker Hub is trusted with the credentials of Docker Hub, not with those of a mirror of it', async (t) => {
  const realmsOf = async (yaml: string) => (await load(t, yaml)).upstreams['docker.io']?.tokenRealms
  assert.deepEqual(await realmsOf('upstreams: { docker.io: { username: a, password: b } }'), [
    'https://auth.docker.io',
  ])
  assert.deepEqual(await realmsOf('upstreams: { docker.io: { url: https://mirror.corp } }'), [])
})

test('the default upstream is the one that is named, else the only one given, else docker.io', async (t) => {
  const defaultOf = async (yaml: string) => (await load(t, yaml)).defaultUpstream
  assert.equal(await defaultOf('upstreams: { ghcr.io: {} }'), 'ghcr.io')
  assert.equal(await defaultOf('upstreams: { ghcr.io: {}, quay.io: false }'), 'ghcr.io')
  assert.equal(await defaultOf('upstreams: { ghcr.io: {}, r: {} }'), 'docker.io')
  assert.equal(await defaultOf('upstreams: { ghcr.io: false }'), 'docker.io')
  assert.equal(await defaultOf('publicUpstreams: false\nupstreams: { ghcr.io: {} }'), 'ghcr.io')
  assert.equal(
    await defaultOf('{ defaultUpstream: quay.io, upstreams: { ghcr.io: {}, quay.io: {} } }'),
    'quay.io',
  )
  assert.equal(
    await defaultOf('{ defaultUpstream: Q, upstreams: { ghcr.io: {}, quay.io: { aliases: [q] } } }'),
    'quay.io',
  )
})

test('a password may be in a file beside the configuration', async (t) => {
  const yaml = 'upstreams: { ghcr.io: { username: ci, passwordFile: token } }'
  const { login } = (await load(t, yaml, { files: { token: '  s3cret\n' } })).upstreams['ghcr.io']!
  assert.equal(login?.password, 's3cret')
  assert.match(login.passwordFile!, /^\/.*\/token$/)
})

test('credentials by repository stand beside the login of the upstream, or a helper', async (t) => {
  const yaml = `
upstreams:
  ghcr.io:
    credentialHelper: h
    credentials:
      - { match: org-a/**, username: a, passwordFile: token }
      - { match: org-b/app, username: b, password: '\${B}' }
`
  const files = { token: ' of-a\n' }
  const config = await load(t, yaml, { files, env: { B: 'of-b' } })
  const { credentials = [], credentialHelper } = config.upstreams['ghcr.io']!
  assert.equal(credentialHelper, 'h')
  assert.deepEqual(
    credentials.map(({ match, username, password }) => [match, username, password]),
    [
      ['org-a/**', 'a', 'of-a'],
      ['org-b/app', 'b', 'of-b'],
    ],
  )
  assert.match(credentials[0]!.passwordFile!, /^\/.*\/token$/)
})

test('a certificate and its key are read', async (t) => {
  const { cert, key } = selfSignedCertificate()
  const config = await load(t, 'listen: { tls: { cert: a.crt, key: a.key } }', {
    files: { 'a.crt': cert, 'a.key': key },
  })
  assert.deepEqual([config.listen.tls?.cert.text, config.listen.tls?.key.text], [cert, key])
})

test('the admin listener can be turned off', async (t) => {
  assert.equal((await load(t, 'admin: false')).admin, false)
  assert.deepEqual((await load(t, 'admin: { port: 0 }')).admin, {
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    access: {},
  })
})

test('the environment works in every value that is a string', async (t) => {
  const yaml = `
listen: { port: '\${PORT}' }
admin: \${OFF}
storage: { root: '/var/\${NAME}/\${NAME}', maxSize: '\${SIZE}' }
cache: { tags: [{ match: '^\${NAME}$', fresh: '\${FRESH}' }] }
transfers: { finishFrom: '\${SHARE}' }
log: { access: '\${OFF}', level: '\${LEVEL}' }
upstreams: { r: { url: 'https://\${NAME}.internal', username: u, password: '$\${NAME}$' } }
`
  const env = {
    PORT: '80',
    OFF: 'false',
    NAME: 'cache',
    SIZE: '1GiB',
    FRESH: '5s',
    SHARE: '0.5',
    LEVEL: 'warn',
  }
  const { listen, admin, storage, cache, transfers, log, upstreams } = await load(t, yaml, { env })
  assert.equal(listen.port, 80)
  assert.equal(admin, false)
  assert.deepEqual([storage.root, storage.maxSize], ['/var/cache/cache', 2 ** 30])
  assert.deepEqual(cache.tags, [{ match: new TagPattern('^cache$'), fresh: 5_000 }])
  assert.equal(transfers.finishFrom, 0.5)
  assert.deepEqual(log, { access: false, level: 'warn', format: 'auto' })
  assert.deepEqual(
    [upstreams['r']?.url, upstreams['r']?.login?.password],
    ['https://cache.internal', '${NAME}$'],
  )
})

test('a variable needs no quotes in a mapping or a list on one line', async (t) => {
  const yaml = `
storage: { root: /var/\${NAME}/\${NAME}, maxSize: \${SIZE} }
cache: { pin: [\${NAME}/a, '\${NAME}/b', "\${NAME}/c"] } # \${COMMENT}
upstreams:
  docker.io: { username: ci, password: \${HUB_TOKEN} }
  r: { username: \${NAME}, password: $\${NAME}-\${NAME} }
`
  const env = { NAME: 'cache', SIZE: '1GiB', HUB_TOKEN: '{secret}' }
  const { storage, cache, upstreams } = await load(t, yaml, { env })
  assert.deepEqual([storage.root, storage.maxSize], ['/var/cache/cache', 2 ** 30])
  assert.deepEqual(cache.pin, ['cache/a', 'cache/b', 'cache/c'])
  assert.deepEqual(upstreams['docker.io']?.login, { username: 'ci', password: '{secret}' })
  assert.deepEqual(upstreams['r']?.login, { username: 'cache', password: '${NAME}-cache' })
})

test('a line break at the end of a variable is none of its value: secrets are made with `echo`', async (t) => {
  const env = { PASSWORD: 'secret\r\n', ENTREPOT_STORAGE_MAXSIZE: '20GiB\n' }
  const { upstreams, storage } = await load(t, 'upstreams: { r: { username: u, password: "${PASSWORD}" } }', {
    env,
  })
  assert.equal(upstreams['r']?.login?.password, 'secret')
  assert.equal(storage.maxSize, 20 * 2 ** 30)
})

test('two listeners may share a port where each has an address of its own, or any is free', async (t) => {
  for (const yaml of [
    'listen: { host: 10.0.0.1 }\nadmin: { port: 5000 }',
    'listen: { port: 0 }\nadmin: { port: 0 }',
    'listen: { port: 5001 }\nadmin: false',
  ]) {
    await load(t, yaml)
  }
})

test('what a variable holds is not looked into again', async (t) => {
  const yaml = 'upstreams: { r: { username: u, password: "${A}" } }'
  const { upstreams } = await load(t, yaml, { env: { A: '${B}', B: 'no' } })
  assert.equal(upstreams['r']?.login?.password, '${B}')
})

test('sizes may be numbers of bytes, shares numbers up to 1', async (t) => {
  const { storage, transfers } = await load(t, 'storage: { minFree: 4096 }\ntransfers: { finishFrom: 0.5 }')
  assert.deepEqual([storage.minFree, transfers.finishFrom], [4096, 0.5])
})

test('an anchor shares a value', async (t) => {
  const yaml = 'upstreams: { a: { timeouts: &t { idle: 1m } }, b: { timeouts: *t } }\ndefaultUpstream: a'
  const { upstreams } = await load(t, yaml)
  assert.equal(upstreams['b']?.timeouts.idle, 60_000)
})

test('nothing of it can be changed', async (t) => {
  const thaw = (value: unknown, path: string): string[] =>
    typeof value !== 'object' || value === null
      ? []
      : [
          ...(Object.isFrozen(value) ? [] : [path]),
          ...Object.entries(value).flatMap(([key, inner]) => thaw(inner, `${path}.${key}`)),
        ]
  const config = await load(t, 'upstreams: { docker.io: { username: u, password: p, aliases: [hub] } }')
  assert.deepEqual(thaw(config, 'config'), [])
  assert.ok(config.cache.tags[0]?.match.test('1.2.3'), 'a frozen expression still matches')
  assert.ok(config.cache.tags[0]?.match.test('1.2.3'), 'every time')
})

function urlsOf({ upstreams }: Config) {
  return Object.fromEntries(Object.values(upstreams).map(({ name, url }) => [name, url]))
}

test('FR-52 who shows no secrets to upstreams needs none in the environment, as commands in another shell', async (t) => {
  const yaml = `
admin: { token: '\${ADMIN_TOKEN}' }
upstreams:
  a: { username: '\${USER_A}', password: '\${TOKEN_A}', proxy: 'http://u:\${PROXY}@proxy.internal:3128' }
  ghcr.io: { credentials: [{ match: org/*, username: u, password: '\${TOKEN_B}' }] }
`
  const folder = await folderOf(t, { 'proxy.config.yaml': yaml })
  const file = join(folder, 'proxy.config.yaml')
  const { admin, upstreams } = await loadConfig({ file, env: {}, required: true, usesSecrets: false })
  assert.deepEqual([admin && admin.token, Object.keys(upstreams).includes('a')], [undefined, true])
  await assert.rejects(loadConfig({ file, env: {}, required: true }), (error: Error) => {
    for (const name of ['ADMIN_TOKEN', 'USER_A', 'TOKEN_A', 'PROXY', 'TOKEN_B']) {
      assert.ok(error.message.includes(`\${${name}} is not set`), name)
    }
    return true
  })
  await writeFile(file, 'storage: { root: "${DATA}" }')
  const elsewhere = loadConfig({ file, env: {}, required: true, usesSecrets: false })
  await assert.rejects(elsewhere, /storage\.root .*\$\{DATA\} is not set/)
})
