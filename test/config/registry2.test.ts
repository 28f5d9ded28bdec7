/** `entrepot migrate registry2`, and registry:2's keys in our file. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { loadConfig } from '../../src/config/load-config.ts'
import { IMAGE_DEFAULTS, withEnvironment } from '../../src/config/registry2/environment.ts'
import { migrateRegistry2, proxyOf } from '../../src/config/registry2/migrate.ts'
import { runEntrepot } from '../support/child.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'

const PROXY = { remoteurl: 'https://registry-1.docker.io' }
const config = (tree: object) => migrateRegistry2(tree as Record<string, unknown>).config
const notes = (tree: object) => migrateRegistry2(tree as Record<string, unknown>).notes
const HUB = { defaultUpstream: 'docker.io', upstreams: { 'docker.io': {} } }
const WEEK = { cache: { ttl: '7d', ttlFrom: 'fetch' } }

suite('migrate registry2', () => {
  const cases: readonly (readonly [from: object, to: object])[] = [
    [{ proxy: PROXY }, { ...WEEK, ...HUB }],
    [{ proxy: { ...PROXY, ttl: '1h30m' } }, { cache: { ttl: '90m', ttlFrom: 'fetch' }, ...HUB }],
    [{ proxy: { ...PROXY, ttl: '0' } }, { cache: { ttl: '36500d', ttlFrom: 'fetch' }, ...HUB }],
    [
      { proxy: { remoteurl: 'https://own.example:5443', username: 'u', password: 'secret' } },
      {
        ...WEEK,
        defaultUpstream: 'own.example:5443',
        upstreams: { 'own.example:5443': { username: 'u', password: '${REGISTRY_PROXY_PASSWORD}' } },
      },
    ],
    [
      { proxy: { remoteurl: 'http://own.example' } },
      {
        ...WEEK,
        defaultUpstream: 'own.example',
        upstreams: { 'own.example': { url: 'http://own.example' } },
      },
    ],
    [{ http: { addr: ':5000' } }, { listen: { port: 5000 } }],
    [{ http: { addr: '[::1]:80' } }, { listen: { host: '::1', port: 80 } }],
    [
      {
        http: { tls: { certificate: '/c', key: '/k', clientcas: ['/a'] }, debug: { addr: 'localhost:5001' } },
      },
      {
        listen: { tls: { cert: '/c', key: '/k', clientCa: '/a' } },
        admin: { host: 'localhost', port: 5001 },
      },
    ],
    [{ auth: { htpasswd: { realm: 'x', path: '/h' } } }, { access: { htpasswd: '/h' } }],
    [{ storage: { filesystem: { rootdirectory: '/r' } } }, { storage: { root: '/r/entrepot' } }],
    [
      { log: { level: 'warn', formatter: 'logstash', accesslog: { disabled: true } } },
      { log: { level: 'warn', format: 'json', access: false } },
    ],
  ]
  for (const [from, to] of cases) {
    test(JSON.stringify(from), () => assert.deepEqual(config(from), to))
  }

  test('what has no counterpart is named, each leaf once, and no secret is printed', () => {
    const tree = {
      version: 0.1,
      proxy: { ...PROXY, password: 's3cret', ttl: 'soon' },
      storage: { s3: { bucket: 'b', secretkey: 's3cret' }, delete: { enabled: true } },
      http: { secret: 's3cret', tls: { clientcas: ['/a', '/b'] } },
      redis: { addr: 'x' },
      unknown: 1,
    }
    const said = notes(tree)
    for (const path of ['version', 'storage.s3.bucket', 'storage.s3.secretkey', 'storage.delete.enabled'])
      assert.equal(said.filter((note) => note.startsWith(`${path} `)).length, 1, path)
    for (const path of ['http.secret', 'http.tls.clientcas', 'redis.addr', 'proxy.password', 'proxy.ttl'])
      assert.ok(
        said.some((note) => note.startsWith(path)),
        path,
      )
    assert.ok(said.includes('unknown is not a key of registry:2'))
    assert.doesNotMatch(said.join(), /s3cret/)
    assert.doesNotMatch(stringify(config(tree)), /s3cret/)
  })

  test('FR-53 the environment of a container wins over its file, or stands for it', () => {
    const lines = [
      'PATH=/usr/bin',
      'REGISTRY_PROXY_REMOTEURL=https://ghcr.io',
      'REGISTRY_PROXY_USERNAME=ci',
      'REGISTRY_PROXY_PASSWORD="s3cret: x"',
      'REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd',
      'REGISTRY_AUTH=htpasswd',
      'REGISTRY_HTTP_TLS_CLIENTCAS=[/ca.pem]',
      "REGISTRY_STORAGE_DELETE_ENABLED='true'",
    ]
    const login = { username: 'ci', password: '${REGISTRY_PROXY_PASSWORD}' }
    const ghcr = { ...WEEK, defaultUpstream: 'ghcr.io', upstreams: { 'ghcr.io': login } }
    const access = { access: { htpasswd: '/auth/htpasswd' } }
    assert.deepEqual(config(withEnvironment(IMAGE_DEFAULTS, lines)), {
      listen: { port: 5000, tls: { clientCa: '/ca.pem' } },
      storage: { root: '/var/lib/registry/entrepot' },
      ...access,
      ...ghcr,
    })
    const file = { http: { addr: ':80' }, proxy: { ...PROXY, username: 'other', ttl: '1h' } }
    assert.deepEqual(config(withEnvironment(file, lines.slice(0, 4))), {
      listen: { port: 80 },
      cache: { ttl: '1h', ttlFrom: 'fetch' },
      defaultUpstream: 'ghcr.io',
      upstreams: { 'ghcr.io': login },
    })
    assert.doesNotMatch(JSON.stringify(notes(withEnvironment(file, lines))), /s3cret/)
  })

  test('the command takes the environment from a file, without a configuration too', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'registry.env')
    await writeFile(file, 'REGISTRY_PROXY_REMOTEURL=https://registry-1.docker.io\n')
    const { code, stdout, stderr } = await runEntrepot('migrate', 'registry2', '--env', file)
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal((parse(stdout) as { defaultUpstream: string }).defaultUpstream, 'docker.io')
    assert.equal((await runEntrepot('migrate', 'registry2')).code, 64)
  })

  test('a registry that is no proxy is told of', () => {
    assert.match(notes({ http: { addr: ':1' } }).join(), /proxy is missing: this was no cache/)
    assert.equal(proxyOf({}), undefined)
  })

  test('the command prints a file that the program takes', async () => {
    await using folder = await tempFolder()
    const pair = selfSignedCertificate()
    for (const [name, text] of Object.entries(pair)) await writeFile(join(folder.path, name), text)
    const file = join(folder.path, 'config.yml')
    const tls = { certificate: join(folder.path, 'cert'), key: join(folder.path, 'key') }
    const old = {
      version: 0.1,
      log: { level: 'info', formatter: 'text', fields: { service: 'registry' } },
      storage: { filesystem: { rootdirectory: folder.path }, cache: { blobdescriptor: 'inmemory' } },
      http: { addr: ':5000', tls, headers: { 'X-Content-Type-Options': ['nosniff'] } },
      proxy: { ...PROXY, username: 'ci', password: 'hidden', ttl: '336h' },
      health: { storagedriver: { enabled: true } },
    }
    await writeFile(file, stringify(old))
    const { code, stdout } = await runEntrepot('migrate', 'registry2', file)
    assert.equal(code, 0)
    assert.doesNotMatch(stdout, /hidden/)
    const ours = join(folder.path, 'proxy.config.yaml')
    await writeFile(ours, stdout)
    const env = { REGISTRY_PROXY_PASSWORD: 'hidden' }
    const loaded = await loadConfig({ file: ours, env, required: true })
    assert.equal(loaded.upstreams['docker.io']!.login!.password, 'hidden')
    assert.equal(loaded.cache.ttl, 14 * 86_400_000)
    assert.deepEqual(Object.keys(parse(stdout)).toSorted(), [
      ...['cache', 'defaultUpstream', 'listen', 'log', 'storage', 'upstreams'],
    ])
    const mistaken = await runEntrepot('migrate', 'registry3', file)
    assert.equal(mistaken.code, 64)
  })
})

test('a key of registry:2 in our file gets a pointer to ours', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'proxy.config.yaml')
  await writeFile(file, 'proxy:\n  remoteurl: x\nstorage:\n  filesystem: {}\n  rot: x\nhtpp: {}\n')
  await assert.rejects(loadConfig({ file, env: {}, required: true }), ({ message }: Error) => {
    const [proxy, storage, rot, typo] = message.split('\n')
    assert.match(
      proxy!,
      /:1: proxy is a key of registry:2; it is `upstreams` here, which may be many \(`entrepot migrate/,
    )
    assert.match(storage!, /:4: storage\.filesystem is a key of registry:2; it is `storage\.root` here/)
    assert.match(rot!, /storage\.rot is not a known key, did you mean `root`\?/)
    assert.match(typo!, /htpp is not a known key/)
    return true
  })
})
