/** Authentication and access rules as clients see them. The parts have tests of their own in test/access. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { bcrypt } from '../../src/access/bcrypt.ts'
import {
  registryAuthenticator,
  type RegistryAuthenticatorOptions,
} from '../../src/access/registry-authenticator.ts'
import { cidrList } from '../../src/util/cidr.ts'
import { passwords } from '../../src/access/passwords.ts'
import { rules } from '../../src/access/rules.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call, type RawResponse } from '../support/raw-client.ts'
import { type RegistryServer, serveRegistry } from '../support/registry-server.ts'
import { upstreamNames } from '../../src/oci/upstream-names.ts'

const registry = new MemoryRegistry()
const { bytes, digest } = blobOf(2000)
registry.addBlob(bytes)
registry.addManifest(manifestOf([bytes]), { tag: 'latest' })
const MANIFEST = '/v2/library/app/manifests/latest'
const PATHS = [
  '/v2/',
  MANIFEST,
  `/v2/library/app/blobs/${digest}`,
  '/v2/library/app/tags/list',
  `/v2/library/app/referrers/${digest}`,
]

const basic = (user: string, password: string): string =>
  `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const users = new Map([
  ['ci-7', hashSync('secret', 4)],
  ['oidc', hashSync('a password of old', 4)],
])
const thread = bcrypt()
const login = passwords({ users: () => users, compare: thread.compare })
after(() => thread[Symbol.asyncDispose]())

function served(options: RegistryAuthenticatorOptions, body: (ask: Ask) => void): () => void {
  return () => {
    let server: RegistryServer
    before(
      async () => (server = await serveRegistry(registry, { authenticator: registryAuthenticator(options) })),
    )
    beforeEach(() => void (registry.opened = registry.stats = 0))
    after(() => server.close(0))
    body(Object.assign((...args: AskArgs) => call(server.port, 'GET', ...args), { server: () => server }))
  }
}

type AskArgs = [path: string, headers?: readonly string[]]
interface Ask {
  (...args: AskArgs): Promise<RawResponse>
  server(): RegistryServer
}

const errorOf = ({ body }: RawResponse) => JSON.parse(body.toString()).errors[0]
/** Admitted: the answer is the content, or that it does not exist. */
const isLetIn = ({ status }: RawResponse) => status === 200 || status === 404
const untouched = () => assert.deepEqual([registry.opened, registry.stats], [0, 0], 'the store was asked')

describe(
  'networks',
  served({ networks: cidrList(['10.0.0.0/8']), trustedProxies: cidrList(['127.0.0.1']) }, (ask) => {
    test('SEC-27: a client elsewhere is refused everything, without a challenge, before anything is looked up', async () => {
      for (const path of PATHS) {
        const answer = await ask(path, [basic('ci-7', 'secret')])
        assert.deepEqual([answer.status, errorOf(answer).code], [403, 'DENIED'], path)
        assert.deepEqual(errorOf(answer).detail.address, '127.0.0.1')
        assert.equal(answer.headers['www-authenticate'], undefined)
      }
      untouched()
    })

    test('SEC-27: for whom a trusted proxy asks is let in, also by several lines', async () => {
      assert.equal((await ask(MANIFEST, ['X-Forwarded-For: 10.1.2.3'])).status, 200)
      assert.equal(
        (await ask(MANIFEST, ['X-Forwarded-For: 8.8.8.8', 'X-Forwarded-For: 10.1.2.3'])).status,
        200,
      )
      assert.equal(
        (await ask(MANIFEST, ['X-Forwarded-For: 10.1.2.3', 'X-Forwarded-For: 8.8.8.8'])).status,
        403,
      )
      assert.equal((await ask(MANIFEST, ['X-Forwarded-For: 10.1.2.3, evil'])).status, 403)
      assert.equal((await ask(MANIFEST, ['Forwarded: for=10.1.2.3', 'X-Real-IP: 10.1.2.3'])).status, 403)
    })
  }),
)

describe(
  'SEC-27: X-Forwarded-For without trusted proxies',
  served({ networks: cidrList(['10.0.0.0/8']) }, (ask) => {
    test('is nothing', async () => {
      assert.equal((await ask(MANIFEST, ['X-Forwarded-For: 10.1.2.3'])).status, 403)
    })
  }),
)

describe(
  'passwords',
  served({ passwords: login }, (ask) => {
    test('without one: 401 with our own challenge, on every path, before anything is looked up', async () => {
      for (const path of PATHS) {
        const answer = await ask(path)
        assert.deepEqual([answer.status, errorOf(answer).code], [401, 'UNAUTHORIZED'], path)
        assert.equal(answer.headers['www-authenticate'], 'Basic realm="entrepot", charset="UTF-8"')
        assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
      }
      untouched()
    })

    test('with the right one everything is served, with a wrong one nothing', async () => {
      for (const path of PATHS) assert.ok(isLetIn(await ask(path, [basic('ci-7', 'secret')])), path)
      for (const header of [
        basic('ci-7', 'Secret'),
        basic('ci-8', 'secret'),
        basic('', ''),
        'Authorization: Basic',
        'Authorization: Basic !!!!',
        'Authorization: Basic Y2ktNw==',
        'Authorization: Bearer secret',
        'Authorization: Digest username="ci-7"',
        `Proxy-${basic('ci-7', 'secret')}`,
      ]) {
        assert.equal((await ask(MANIFEST, [header])).status, 401, header)
      }
    })

    test('the user who brings tokens is a user like others where there are none', async () => {
      assert.equal((await ask(MANIFEST, [basic('oidc', 'a password of old')])).status, 200)
    })

    test('SEC-60: passwords are in no log, and who they belong to is', async () => {
      const { lines } = ask.server()
      lines.length = 0
      await ask(MANIFEST, [basic('ci-7', 'secret')])
      await ask(MANIFEST, [basic('ci-7', 'guessed')])
      assert.equal(lines[0]!['identity'], 'ci-7')
      assert.equal(lines[1]!['identity'], undefined)
      const encoded = basic('ci-7', 'secret').slice(-10)
      assert.doesNotMatch(JSON.stringify(lines), new RegExp(`secret|guessed|${encoded}`))
    })

    test('SEC-26: a write is 405 for everybody', async () => {
      assert.equal((await call(ask.server().port, 'PUT', MANIFEST, ['Content-Length: 0'])).status, 405)
    })
  }),
)

describe(
  'rules',
  served(
    {
      passwords: login,
      rules: rules(
        [
          { identity: 'ci-*', repositories: ['example.com/library/app'] },
          { repositories: ['example.com/open/*'] },
        ],
        upstreamNames(['example.com']),
      ),
    },
    (ask) => {
      const APP = '/v2/library/app/manifests/latest?ns=example.com'
      const OPEN = '/v2/open/app/manifests/latest?ns=example.com'
      const OTHER = '/v2/other/app/manifests/latest?ns=example.com'
      const known = [basic('ci-7', 'secret')]

      test('SEC-20: who may not is refused alike whether it is there or not, before anything is looked up', async () => {
        const answers = await Promise.all(
          [OTHER, OPEN, '/v2/other/app/manifests/nothing?ns=example.com'].map((path) => ask(path, known)),
        )
        for (const answer of answers) {
          assert.deepEqual([answer.status, errorOf(answer).code], [403, 'DENIED'])
          assert.equal(answer.headers['www-authenticate'], undefined)
        }
        untouched()
        assert.equal((await ask(APP, known)).status, 200)
      })

      test('who says nothing is asked for a name, but where everybody may', async () => {
        assert.ok(isLetIn(await ask(OPEN)))
        assert.equal((await ask(APP)).status, 401)
        assert.equal((await ask('/v2/')).status, 401, 'or no client would ever log in')
        assert.equal((await ask('/v2/', known)).status, 200)
      })

      test('credentials of elsewhere are no worse than none where everybody may', async () => {
        assert.ok(isLetIn(await ask(OPEN, [basic('hub', 'hub')])))
        assert.equal((await ask(APP, [basic('hub', 'hub')])).status, 401)
        assert.equal((await ask('/v2/', [basic('hub', 'hub')])).status, 401)
      })
    },
  ),
)

test('SEC-09: an open mirror is not broken by the credentials that dockerd has for Docker Hub', async () => {
  await using server = await serveRegistry(registry)
  for (const header of [basic('hub', 'hubsecret'), 'Authorization: Bearer eyJhbGciOi', 'Authorization: x']) {
    for (const path of PATHS) assert.ok(isLetIn(await call(server.port, 'GET', path, [header])), path)
  }
  assert.doesNotMatch(JSON.stringify(server.lines), /hubsecret|aHViOmh1|eyJhbGciOi/)
})
