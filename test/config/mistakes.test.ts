import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '../../src/config/config-error.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { IMAGE_PATTERN_MUST } from '../../src/oci/image-pattern.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { folderOf } from './folder.ts'

const DURATION = 'must be a duration such as 500ms, 60s, 10m, 1h or 7d'
const SIZE = 'must be a size such as 512KiB, 50GiB or 10GB, or a number of bytes'
const URL =
  'must be an http or https URL without credentials, path or query, such as https://registry.example.com'
const TEXT = 'must be a string that is not empty; put numbers in quotes'
const HOST = 'must be a host name or address, with a port or without, such as example.internal:5443'

function lockedKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey
    .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' })
    .toString()
}

/** One upstream, `r`, with these keys. */
const r = (keys: string) => `upstreams: { r: { ${keys} } }`

const MISTAKES: readonly (readonly [yaml: string, line: string])[] = [
  // unknown keys
  [
    'cache: { tll: 7d }',
    ': cache.tll is not a known key, did you mean `ttl`? (allowed: ttl, ttlFrom, sweep, staleIfError, negative, lists, tags, pin, coolDown, keepDeleted)',
  ],
  [
    'listne: {}',
    ': listne is not a known key, did you mean `listen`? (allowed: listen, admin, access, storage, cluster, cache, views, transfers, shutdown, log, tracing, events, mirror, replicate, warnings, defaultUpstream, publicUpstreams, upstreams)',
  ],
  [
    'admin: { prot: 1 }',
    ': admin.prot is not a known key, did you mean `port`? (allowed: host, port, tls, hosts, access, token, tokenFile)',
  ],
  [
    r('endpoints: [https://a, { url: https://b, api: v1 }]'),
    ': upstreams.r.endpoints[1].api is "v1", but requires schema1: convert for this upstream: no client of today takes what it sends',
  ],
  ['log: { colour: red }', ': log.colour is not a known key (allowed: level, access, format)'],
  [
    r('timeouts: { connection: 5s }'),
    ': upstreams.r.timeouts.connection is not a known key, did you mean `connect`? (allowed: connect, headers, blob, idle)',
  ],
  [
    'cache: { tags: [{ match: a, frehs: 1s }] }',
    ': cache.tags[0].frehs is not a known key, did you mean `fresh`? (allowed: match, fresh)',
  ],
  ['cache: { tags: [{ match: a }] }', `: cache.tags[0].fresh is missing, but ${DURATION}, from 0s to 36500d`],
  [
    '"__proto__": {}',
    ': __proto__ is not a known key (allowed: listen, admin, access, storage, cluster, cache, views, transfers, shutdown, log, tracing, events, mirror, replicate, warnings, defaultUpstream, publicUpstreams, upstreams)',
  ],

  // bad values
  ['cache: { ttl: 7 days }', `: cache.ttl is "7 days", but ${DURATION}, from 1s to 36500d`],
  ['cache: { ttl: 60 }', `: cache.ttl is 60, but ${DURATION}, from 1s to 36500d`],
  ['cache: { ttl: 0s }', `: cache.ttl is "0s", but ${DURATION}, from 1s to 36500d`],
  ['cache: { ttl: [7d] }', `: cache.ttl is a list, but ${DURATION}, from 1s to 36500d`],
  ['cache: { ttl: }', `: cache.ttl is empty, but ${DURATION}, from 1s to 36500d`],
  [
    r('timeouts: { connect: 30d }'),
    `: upstreams.r.timeouts.connect is "30d", but ${DURATION}, from 1ms to 24d`,
  ],
  ['storage: { maxSize: 50Gi }', `: storage.maxSize is "50Gi", but ${SIZE}, from 1B to 8000TiB`],
  ['storage: { maxSize: -1 }', `: storage.maxSize is -1, but ${SIZE}, from 1B to 8000TiB`],
  ['cache: { pin: ["a b"] }', `: cache.pin[0] is "a b", but ${IMAGE_PATTERN_MUST}`],
  ['storage: { root: "" }', ': storage.root is "", but must be the name of a file or folder'],
  ['listen: { port: 65536 }', ': listen.port is 65536, but must be a whole number from 0 to 65535'],
  ['listen: { port: 50.5 }', ': listen.port is 50.5, but must be a whole number from 0 to 65535'],
  ...['a b', '0.0.0.0:5000', 'localhost:5000', ':5000'].map(
    (host) =>
      [
        `listen: { host: "${host}" }`,
        `: listen.host is "${host}", but must be an address or a host name; its port is a key of its own`,
      ] as const,
  ),
  [
    'listen: 5000',
    ': listen is 5000, but must be a mapping of host, port, tls, maxConnections, maxConnectionsPerAddress, ratePerClient, accel',
  ],
  ['admin: true', ': admin is true, but must be false, or a mapping with host and port'],
  ['admin: { port: x }', ': admin.port is "x", but must be a whole number from 0 to 65535'],
  [
    'transfers: { finishFrom: 25 }',
    ': transfers.finishFrom is 25, but must be a percentage such as 25%, or a number, from 0 to 1',
  ],
  [
    'log: { level: verbose }',
    ': log.level is "verbose", but must be one of fatal, error, warn, info, debug, trace, silent',
  ],
  ['log: { access: constructor }', ': log.access is "constructor", but must be true, false or errors'],
  ['log: { format: xml }', ': log.format is "xml", but must be one of auto, json, pretty'],
  [
    'cache: { sweep: "61 * * * *" }',
    ': cache.sweep is "61 * * * *", but must be a cron expression of node-cron, such as \'*/5 * * * *\'',
  ],
  ['cache: { tags: { match: a } }', ': cache.tags is a mapping, but must be a list'],
  [
    'cache: { tags: [{ match: "v(", fresh: 1s }] }',
    ': cache.tags[0].match is "v(", but must be a regular expression: missing closing ): `v(`',
  ],
  [
    '- a',
    ': the file is a list, but must be a mapping of listen, admin, access, storage, cluster, cache, views, transfers, shutdown, log, tracing, events, mirror, replicate, warnings, defaultUpstream, publicUpstreams, upstreams',
  ],
  [
    'just words',
    ': the file is "just words", but must be a mapping of listen, admin, access, storage, cluster, cache, views, transfers, shutdown, log, tracing, events, mirror, replicate, warnings, defaultUpstream, publicUpstreams, upstreams',
  ],

  // upstreams
  [
    '{ publicUpstreams: false, upstreams: {} }',
    ': upstreams is a mapping, but must have at least one upstream',
  ],
  ['upstreams: [ghcr.io]', ': upstreams is a list, but must be a mapping of upstreams by name'],
  ['upstreams: { "a/b": {} }', `: upstreams.a/b is not a name for an upstream: it ${HOST}`],
  [r('url: ftp://r'), `: upstreams.r.url is "ftp://r", but ${URL}`],
  [r('url: r'), `: upstreams.r.url is "r", but ${URL}`],
  [r('url: https://r/v2'), `: upstreams.r.url is "https://r/v2", but ${URL}`],
  [
    r('tokenRealms: [auth.r]'),
    ': upstreams.r.tokenRealms[0] is "auth.r", but must be an http or https URL without credentials or query, such as https://registry.example.com',
  ],
  [r('aliases: ["a b"]'), `: upstreams.r.aliases[0] is "a b", but ${HOST}`],
  [
    r('maxSize: much'),
    ': upstreams.r.maxSize is "much", but must be a size such as 512KiB, 50GiB or 10GB, or a number of bytes, from 1B to 8000TiB',
  ],
  [r('maxTransfers: 0'), ': upstreams.r.maxTransfers is 0, but must be a whole number from 1 to 10000'],
  [r('allowPrivate: maybe'), ': upstreams.r.allowPrivate is "maybe", but must be true or false'],
  [
    r('credentialHelper: ../sh'),
    ': upstreams.r.credentialHelper is "../sh", but must be what follows docker-credential- in the name of a program',
  ],
  [
    'defaultUpstream: ghrc.io',
    ': defaultUpstream is "ghrc.io", but must be one of the upstreams, docker.io, ghcr.io, quay.io, registry.k8s.io, gcr.io, mcr.microsoft.com, public.ecr.aws',
  ],
  [
    'publicUpstreams: false\nupstreams: { a: {}, b: {} }',
    ': defaultUpstream is missing, but must be one of the upstreams, a, b',
  ],
  [
    'upstreams: { r: false }',
    ': upstreams.r is false, but only a built-in upstream can be removed: docker.io, ghcr.io, quay.io, registry.k8s.io, gcr.io, mcr.microsoft.com, public.ecr.aws',
  ],
  ['upstreams: { r: 5 }', ': upstreams.r is 5, but must be a mapping, or false for a built-in upstream'],
  [
    'upstreams: { a: { aliases: [b] }, b: {} }',
    ': upstreams.a.aliases[0] is "b", but upstreams.b has that name already',
  ],
  [
    'upstreams: { a: { aliases: [x] }, b: { aliases: [X] } }',
    ': upstreams.b.aliases[0] is "X", but upstreams.a has that name already',
  ],
  [
    'upstreams: { a: { hosts: [x] }, b: { hosts: [x] } }',
    ': upstreams.b.hosts[0] is "x", but upstreams.a has that name already',
  ],
  ['upstreams: { A: {}, a: {} }', ': upstreams.a is a mapping, but upstreams.A has that name already'],
  [
    'upstreams: { docker.io: {}, r: { aliases: [index.docker.io] } }',
    ': upstreams.r.aliases[0] is "index.docker.io", but upstreams.docker.io has that name already (a built-in upstream is removed by `docker.io: false`)',
  ],

  // credentials
  [r('password: s3cret'), ': upstreams.r.username is required with password'],
  [r('passwordFile: token'), ': upstreams.r.username is required with passwordFile'],
  [r('username: u'), ': upstreams.r.password or passwordFile is required with username'],
  [r('username: 1234'), `: upstreams.r.username is 1234, but ${TEXT}`],
  [
    r('username: u, password: s3cret, passwordFile: token'),
    ': upstreams.r.passwordFile is "token", but cannot be combined with password',
  ],
  [
    r('username: u, password: s3cret, credentialHelper: h'),
    ': upstreams.r.credentialHelper is "h", but cannot be combined with username',
  ],
  [
    r('username: u, password: s3cret, dockerConfig: d'),
    ': upstreams.r.dockerConfig is "d", but cannot be combined with username',
  ],
  [
    r('credentialHelper: h, dockerConfig: d'),
    ': upstreams.r.dockerConfig is "d", but cannot be combined with credentialHelper',
  ],
  [
    r('credentials: aws'),
    ': upstreams.r.credentials is "aws", but must be ecr, gcp, azure, or a list of logins of repositories',
  ],
  [
    'upstreams: { acme.azurecr.io: { credentials: azure, username: u, password: s3cret } }',
    ': upstreams.acme.azurecr.io.credentials is "azure", but cannot be combined with username',
  ],
  [
    'upstreams: { acme.azurecr.io: { credentials: azure, insecure: true } }',
    ': upstreams.acme.azurecr.io.credentials is "azure", but cannot be combined with insecure',
  ],
  [r('dockerConfig: token'), ': upstreams.r.dockerConfig is "token", but must be a Docker config.json'],
  [r('insecure: true, ca: a.crt'), ': upstreams.r.insecure is true, but cannot be combined with ca'],
  [
    r('allow: [Library/*]'),
    ': upstreams.r.allow[0] is "Library/*", but must be the name of a repository, or a pattern such as library/* or org/**',
  ],
  [r('deny: org'), ': upstreams.r.deny is "org", but must be a list: ["org"]'],
  [
    r('rewrite: [{ from: a/**, to: b/* }]'),
    ': upstreams.r.rewrite[0].to is "b/*", but must have **, as a/** has',
  ],
  [
    r('rewrite: [{ from: a/b, to: c/* }]'),
    ': upstreams.r.rewrite[0].to is "c/*", but must have no star, as a/b has',
  ],
  [
    r('rewrite: [{ from: "*/a/*", to: "*/b/*" }]'),
    ': upstreams.r.rewrite[0].from is "*/a/*", but must have one star at most, such as org/** or org/*',
  ],
  [
    r('rewrite: [{ from: a/*, to: b//* }]'),
    ': upstreams.r.rewrite[0].to is "b//*", but must be the name of a repository',
  ],
  [
    r('rewrite: [{ from: a/*, to: a/* }]'),
    ': upstreams.r.rewrite[0].to is "a/*", but must be another name than from',
  ],

  // files
  [
    r('dockerConfig: absent'),
    ': upstreams.r.dockerConfig is "absent", but must be a readable file: no such file',
  ],
  [
    r('credentials: [{ match: org/*, username: u, password: s3cret, passwordFile: token }]'),
    ': upstreams.r.credentials[0].passwordFile is "token", but cannot be combined with password',
  ],
  [
    r('credentials: [{ match: org/*, username: u }]'),
    ': upstreams.r.credentials[0].password or passwordFile is required with username',
  ],
  [
    r('credentials: [{ match: org/*, password: s3cret }]'),
    `: upstreams.r.credentials[0].username is missing, but ${TEXT}`,
  ],
  [
    r('credentials: [{ username: u, password: s3cret }]'),
    `: upstreams.r.credentials[0].match is missing, but must be the name of a repository, or a pattern such as library/* or org/**`,
  ],
  [
    r(
      'credentials: [{ match: org/*, username: u, password: s3cret }, { match: org/*, username: v, password: t }]',
    ),
    ': upstreams.r.credentials[1].match is "org/*", but credentials[0] has that match already',
  ],
  [
    r('username: u, passwordFile: absent'),
    ': upstreams.r.passwordFile is "absent", but must be a readable file: no such file',
  ],
  [
    r('username: u, passwordFile: .'),
    ': upstreams.r.passwordFile is ".", but must be a readable file: it is a folder',
  ],
  [
    r('username: u, passwordFile: blank'),
    ': upstreams.r.passwordFile is "blank", but must be a file that is not empty',
  ],
  [r('ca: absent.pem'), ': upstreams.r.ca is "absent.pem", but must be a readable file: no such file'],
  [r('ca: token'), ': upstreams.r.ca is "token", but must be a file of PEM certificates'],
  [
    'listen: { tls: { cert: a.crt } }',
    ': listen.tls.key is missing, but must be the name of a file or folder',
  ],
  [
    'listen: { tls: { key: a.key } }',
    ': listen.tls.cert is missing, but must be the name of a file or folder',
  ],
  [
    'listen: { tls: { cert: a.crt, key: absent } }',
    ': listen.tls.key is "absent", but must be a readable file: no such file',
  ],
  [
    'listen: { tls: { cert: a.crt, key: b.key } }',
    ': listen.tls.key is "b.key", but must be the key of the certificate in cert (ERR_OSSL_X509_KEY_VALUES_MISMATCH)',
  ],

  [
    'listen: { tls: { cert: token, key: a.key } }',
    ': listen.tls.cert is "token", but must be a PEM certificate (ERR_OSSL_PEM_NO_START_LINE)',
  ],
  [
    'listen: { tls: { cert: a.crt, key: locked.key } }',
    ': listen.tls.key is "locked.key", but must be a private key in PEM, without a passphrase (ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED)',
  ],

  // replicate
  ['replicate: [{ images: [], to: r.example }]', ': replicate[0].images is a list, but must name images'],
  [
    'replicate: [{ images: ["**"], to: "https://r.example?x" }]',
    ': replicate[0].to is "https://r.example?********", but must be a registry and what names begin with there, [http://|https://]HOST[/PATH], such as registry.site-b.example/cache',
  ],
  [
    'replicate: [{ images: ["**"], to: r.example, on: schedule }]',
    ': replicate[0].schedule is required with on: schedule',
  ],
  [
    'replicate: [{ images: ["**"], to: r.example, schedule: "0 3 * * *" }]',
    ': replicate[0].schedule is "0 3 * * *", but needs on: schedule',
  ],
  [
    'replicate: [{ images: ["**"], to: r.example, password: hunter2 }]',
    ': replicate[0].username is required with password',
  ],
  [
    'replicate: [{ images: ["**"], to: r.example, platforms: [amd64] }]',
    ': replicate[0].platforms[0] is "amd64", but must be a platform such as linux/amd64 or linux/arm/v7',
  ],
  // events
  [
    'events: [{ url: https://h.example }]',
    ': events[0].secretFile or secret is required: it signs what is sent',
  ],
  [
    'events: [{ url: https://user:pw@h.example, secret: sixteen-characters }]',
    ': events[0].url is "https://********@h.example", but must be an http or https URL without credentials, such as https://hooks.example/entrepot',
  ],
  [
    'events: [{ url: https://h.example, secret: short }]',
    ': events[0].secret is ********, but must be a secret of at least 16 printable characters of ASCII, without spaces',
  ],

  // the listeners
  [
    'listen: { port: 5001 }',
    ': admin.port is 5001, and so is listen.port: each listener needs a port of its own',
  ],
  [
    'listen: { host: 10.0.0.1, port: 80 }\nadmin: { host: "::", port: 80 }',
    ': admin.port is 80, and so is listen.port: each listener needs a port of its own',
  ],

  // the environment
  [r('url: "${ABSENT}"'), ': upstreams.r.url is "${ABSENT}", but ${ABSENT} is not set in the environment'],
  [
    'cache: { tags: [{ match: "${toString}", fresh: 1s }] }',
    ': cache.tags[0].match is "${toString}", but ${toString} is not set in the environment',
  ],
  [
    'storage: { root: "${A-b}" }',
    ': storage.root is "${A-b}", but a variable must be written ${NAME}, and a literal ${ as $${',
  ],
  [
    'storage: { root: "${A" }',
    ': storage.root is "${A", but a variable must be written ${NAME}, and a literal ${ as $${',
  ],

  // YAML
  ['cache: { ttl: 1d }\nlog: {}\ncache: {}', ':3:1: duplicate key cache: it is on line 1 already'],
  ['cache:\n  ttl: 1d\n  ttl: 2d', ':3:3: duplicate key ttl: it is on line 2 already'],
  [
    'cache: [1',
    ':1:10: invalid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['cache:\n\tttl: 1d', ':2:1: invalid YAML: Tabs are not allowed as indentation (write spaces)'],
  ['a: 1\n---\nb: 1', ':2:1: invalid YAML: Source contains multiple documents'],
  [
    'cache: *absent',
    ':1:8: invalid YAML: this alias has no anchor (a value that begins with * needs quotes)',
  ],
  [
    'upstreams:\n  docker.io\n    username: ci',
    ':2:3: invalid YAML: Implicit keys need to be on a single line (is there no colon behind a key?)',
  ],
  [
    'cache:\n  pin:\n  - node\n  -app',
    ':4:3: invalid YAML: Implicit map keys need to be followed by map values (is there no colon behind a key, or no space behind a dash?)',
  ],
  ['log: { level: "info }', ':1:22: invalid YAML: Missing closing "quote'],
  [
    'log: level: info',
    ':1:6: invalid YAML: Nested mappings are not allowed in compact mappings (a value with a colon and a space needs quotes)',
  ],
  ['cache: &x { tags: [*x] }', ':1:20: invalid YAML: an alias cannot contain itself'],
  [
    'a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c]',
    ':1:1: invalid YAML: Excessive alias count indicates a resource exhaustion attack',
  ],
]

test('every mistake is one line: the key, the value, what is allowed', async (t) => {
  const { cert, key } = selfSignedCertificate()
  const other = selfSignedCertificate()
  const folder = await folderOf(t, {
    token: 's3cret',
    blank: ' \n',
    'a.crt': cert,
    'a.key': key,
    'b.key': other.key,
    'locked.key': lockedKey(),
  })
  for (const [yaml, line] of MISTAKES) {
    await t.test(yaml, async () => {
      assert.equal(await mistakeIn(folder, yaml), line)
    })
  }
})

const SECRETS: readonly string[] = [
  r('pasword: hunter2'),
  r('password: [hunter2]'),
  r('password: { hunter2: 1 }'),
  r('password: "hunter2${ABSENT}"'),
  r('password: "hunter2${"'),
  r('password: hunter2'),
  r('proxy: "http://u:hunter2@proxy/path"'),
  r('proxy: "socks5://u:hunter2@proxy"'),
  r('proxy: "http://u:hunter2%zz@proxy"'),
  r('credentials: [{ match: a, password: hunter2 }]'),
  r('credentials: [{ match: a, username: u, password: [hunter2] }]'),
  r('username: u, password: hunter2, passwordFile: token'),
  r('url: https://ci:hunter2@r'),
  r('url: https://ci:hunt/hunter2@r'),
  r('url: ci:hunter2@r'),
  r('url: https://r/?token=hunter2'),
  r('url: https://r/#hunter2'),
  r('tokenRealms: ["https://r?hunter2"]'),
  r('url: "${SECRET}"'),
  r('maxTransfers: "${SECRET}"'),
  r('passwordFile: "${SECRET}", username: u'),
  'defaultUpstream: "${SECRET}"',
  'upstreams: { "https://ci:hunter2@r": {} }',
  'upstreams: { r: { aliases: ["${SECRET}"] }, q: { aliases: ["${SECRET}"] } }',
  'upstreams:\n  r:\n    password: *hunter2',
  'upstreams:\n  r:\n    password: !hunter2 x',
  'upstreams:\n  r:\n    password: !hunter2!',
  'upstreams:\n  r:\n    password: |hunter2',
  'upstreams:\n  r:\n    password: "\\xhunter2"',
  'upstreams:\n  r:\n    password: "a" hunter2',
  'upstreams:\n  r:\n    password: %hunter2\n   hunter2: x',
]

test('no mistake tells a secret', async (t) => {
  const folder = await folderOf(t, { token: 'hunter2' })
  for (const yaml of SECRETS) {
    await t.test(yaml, async () => assert.doesNotMatch(await mistakeIn(folder, yaml), /hunter/))
  }
})

test('a mistake is one line whatever is in the file', async (t) => {
  const folder = await folderOf(t, {})
  for (const yaml of [
    '"a\\nb": 1',
    'log: { level: "a\\nb\\u2028c" }',
    `log: { level: ${'x'.repeat(5000)} }`,
    '"\\r\\u0085": {}',
  ]) {
    const line = await mistakeIn(folder, yaml)
    assert.match(line, /^[^\p{Cc}\p{Zl}\p{Zp}]{1,500}$/u)
  }
})

/** What is said about `yaml`, without the name of the file, and the line where the column does not follow, it begins with. */
async function mistakeIn(folder: string, yaml: string): Promise<string> {
  const file = join(folder, 'proxy.config.yaml')
  await writeFile(file, yaml)
  const error: unknown = await loadConfig({ file, env: { SECRET: 'hunter2' }, required: true }).then(
    () => assert.fail('it was accepted'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof ConfigError, String(error))
  for (const line of error.message.split('\n')) assert.ok(line.startsWith(file), error.message)
  return error.message.slice(file.length).replace(/^:\d+(?=: )/, '')
}
