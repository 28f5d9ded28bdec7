import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '../../src/config/config-error.ts'
import { describeConfig } from '../../src/config/describe.ts'
import { authority } from '../support/certificates.ts'
import { parseHtpasswd } from '../../src/config/htpasswd.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { folderOf, load } from './folder.ts'

const HASH = `$2y$05$${'a'.repeat(53)}`
const ca = authority()
const { cert, key } = ca.server()
const files = {
  'a.crt': cert,
  'a.key': key,
  'ca.crt': ca.cert,
  users: `# people\nci-7:${HASH}\r\n\nalice:${HASH}\n`,
  weak: 'ci-7:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n',
  dear: `ci-7:$2b$31$${'a'.repeat(53)}\n`,
  token: '  sixteen-letters-at-least \n',
  short: 'short',
}

test('a file with everything, and what it describes itself as', async (t) => {
  const yaml = `
listen:
  tls: { cert: a.crt, key: a.key, clientCa: ca.crt, clientAuth: optional }
  maxConnections: 100
  maxConnectionsPerAddress: 10
admin:
  tls: { cert: a.crt, key: a.key }
  hosts: [entrepot.example.org]
  access: { networks: [10.0.0.0/8] }
  token: \${TOKEN}
access:
  networks: [10.0.0.0/8, '2001:db8::/32', 192.168.1.1]
  trustedProxies: [127.0.0.1]
  htpasswd: users
  oidc: { issuer: https://issuer.example, audience: entrepot, jwks: 'https://issuer.example/keys?v=1' }
  rules:
    - { identity: 'ci-*', repositories: ['ghcr.io/org/*', 'localhost:5000/a', '**', '*', node] }
    - { repositories: [docker.io/library/*] }
`
  const env = { TOKEN: 'the-token-of-the-operator' }
  const config = await load(t, yaml, { env, files })
  assert.ok(config.admin)
  assert.equal(config.admin.token, env.TOKEN)
  assert.equal(config.listen.tls?.clientCa?.text, ca.cert)
  assert.equal(config.access.oidc?.claim, 'sub')
  assert.equal(config.access.htpasswd?.text, files.users)
  const text = describeConfig(config)
  assert.doesNotMatch(text, /the-token|\$2y|PRIVATE/)
  assert.deepEqual(await load(t, text.replace(/\*{8}/, '${TOKEN}'), { env }), config)
})

test('a certificate that clients refuse by its dates is told, and is no mistake', async (t) => {
  const yaml = 'listen: { tls: { cert: a.crt, key: a.key } }\nadmin: { tls: { cert: a.crt, key: a.key } }'
  const folder = await folderOf(t, { ...files, 'proxy.config.yaml': yaml })
  const file = join(folder, 'proxy.config.yaml')
  const { validFromDate, validToDate } = new X509Certificate(cert)
  const told = async (now: number): Promise<readonly string[]> => {
    const lines: string[] = []
    await loadConfig({ file, env: {}, required: true, warn: (line) => lines.push(line), now: () => now })
    return lines.map((line) => line.replace(folder, '').replaceAll(/\d{4}-\d\d-\d\d/g, 'DAY'))
  }
  assert.deepEqual(await told(validToDate.getTime()), [])
  assert.deepEqual(await told(validToDate.getTime() + 1), [
    '/proxy.config.yaml:1: listen.tls.cert expired on DAY: clients refuse it',
    '/proxy.config.yaml:2: admin.tls.cert expired on DAY: clients refuse it',
  ])
  assert.match((await told(validFromDate.getTime() - 1))[0]!, /cert is valid from DAY on: clients refuse it/)
})

test('a chain begins with the certificate that the key is of', async (t) => {
  const chain = { ...files, 'a.crt': ca.cert + cert }
  await assert.rejects(
    load(t, 'listen: { tls: { cert: a.crt, key: a.key } }', { files: chain }),
    /listen\.tls\.key is "a\.key", but must be the key of the first certificate in cert/,
  )
})

test('a user of htpasswd has neither the mark of an editor nor an indentation in the name', () => {
  const hash = `$2y$05$${'a'.repeat(53)}`
  const users = parseHtpasswd(`\uFEFFci:${hash}\r\n  # people\r\n  dev:${hash}  \r\n`)
  assert.deepEqual(
    [...users],
    [
      ['ci', hash],
      ['dev', hash],
    ],
  )
})

test('a certificate authority for clients makes their certificates required; a token may come from a file', async (t) => {
  const tls = '{ cert: a.crt, key: a.key, clientCa: ca.crt }'
  const { listen, admin } = await load(t, `{ listen: { tls: ${tls} }, admin: { tokenFile: token } }`, {
    files,
  })
  assert.equal(listen.tls?.clientAuth, 'require')
  assert.equal(admin && admin.token, 'sixteen-letters-at-least')
})

const NETWORK = 'must be a network such as 10.0.0.0/8 or 2001:db8::/32, or an address'
const JWKS = 'must be an https URL without credentials, such as https://issuer.example/keys'
const REPOSITORY =
  'must be a pattern of repositories such as node, docker.io/library/*, ghcr.io/org/** or **, in lower case, ' +
  'without a tag and a digest: who may pull a repository may pull all of it'
const ADMIN_TOKEN = 'a token of at least 16 printable characters of ASCII, without spaces'
const oidc = (jwks: string) => `access: { oidc: { issuer: i, audience: a, jwks: '${jwks}' } }`

const MISTAKES: Readonly<Record<string, string>> = {
  'access: { networks: [10.0.0.0/33] }': `access.networks[0] is "10.0.0.0/33", but ${NETWORK}`,
  'access: { networks: [example.com] }': `access.networks[0] is "example.com", but ${NETWORK}`,
  'access: { networks: [10.0.0] }': `access.networks[0] is "10.0.0", but ${NETWORK}`,
  "access: { trustedProxies: ['fe80::1%eth0'] }": `access.trustedProxies[0] is "fe80::1%eth0", but ${NETWORK}`,
  'access: { networks: 10.0.0.0/8 }': 'access.networks is "10.0.0.0/8", but must be a list: ["10.0.0.0/8"]',
  'access: { network: [] }':
    'access.network is not a known key, did you mean `networks`? (allowed: networks, trustedProxies, htpasswd, oidc, rules)',
  'access: { htpasswd: weak }':
    'access.htpasswd is "weak", but line 1 must be a user and a bcrypt hash (htpasswd -B, cost 4 to 14)',
  'access: { htpasswd: dear }':
    'access.htpasswd is "dear", but line 1 must be a user and a bcrypt hash (htpasswd -B, cost 4 to 14)',
  'access: { htpasswd: nowhere }': 'access.htpasswd is "nowhere", but must be a readable file: no such file',
  [oidc('http://issuer.example/keys')]: `access.oidc.jwks is "http://issuer.example/keys", but ${JWKS}`,
  [oidc('https://a:b@issuer.example/keys')]:
    `access.oidc.jwks is "https://********@issuer.example/keys", but ${JWKS}`,
  'access: { oidc: { issuer: i, audience: a } }': `access.oidc.jwks is missing, but ${JWKS}`,
  'access: { rules: [{ repositories: [node:20] }] }': `access.rules[0].repositories[0] is "node:20", but ${REPOSITORY}`,
  'access: { rules: [{ repositories: [ghcr.io/Org/*] }] }': `access.rules[0].repositories[0] is "ghcr.io/Org/*", but ${REPOSITORY}`,
  'access: { rules: [{ repositories: [a//b] }] }': `access.rules[0].repositories[0] is "a//b", but ${REPOSITORY}`,
  "access: { rules: [{ identity: 'ci-*', repositories: ['**'] }] }":
    'access.rules[0].identity matches nobody without access.htpasswd, access.oidc or listen.tls.clientCa',
  'listen: { tls: { cert: a.crt, key: a.key, clientAuth: require } }':
    'listen.tls.clientCa is required with clientAuth',
  'listen: { tls: { cert: a.crt, key: a.key, clientCa: a.key } }':
    'listen.tls.clientCa is "a.key", but must be a file of PEM certificates',
  'listen: { tls: { cert: a.crt, key: a.key, clientCa: ca.crt, clientAuth: maybe } }':
    'listen.tls.clientAuth is "maybe", but must be one of require, optional',
  'admin: { token: short }': `admin.token is ********, but must be ${ADMIN_TOKEN}`,
  'admin: { tokenFile: short }': `admin.tokenFile is "short", but must be a file with ${ADMIN_TOKEN}`,
  'admin: { token: sixteen-letters-at-least, tokenFile: token }':
    'admin.tokenFile is "token", but cannot be combined with token',
  "admin: { hosts: ['a:5001'] }": 'admin.hosts[0] is "a:5001", but must be a host name without a port',
}

for (const [yaml, line] of Object.entries(MISTAKES)) {
  test(yaml, async (t) => {
    await assert.rejects(load(t, yaml, { files }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.equal(error.message.replace(/^.*proxy\.config\.yaml:\d+: /, ''), line)
      return true
    })
  })
}
