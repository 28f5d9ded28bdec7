/** Several credentials of one upstream, by repository. */
import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openUpstream, type OpenUpstreamOptions } from '../../src/upstream/open-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { type FakeRegistry, fakeRegistry } from '../support/registries/fake-registry.ts'
import { type Layer, partsOf } from '../support/registries/layer.ts'
import {
  ANYBODY,
  organisationLogins,
  organisationTokens,
  userOf,
} from '../support/registries/organisations.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { assertFails, bytesOf } from './setup.ts'

const LOGINS = { 'org-a': 'a:token-of-a', 'org-b': 'b:token-of-b', own: 'ci:own' }
const CREDENTIALS = [
  { match: 'org-a/**', username: 'a', password: 'token-of-a' },
  { match: 'org-b/*', username: 'b', password: 'token-of-b' },
  { match: 'org-*/**', username: 'nobody', password: 'never-shown' },
]
const { bytes, digest } = blobOf(1000)

async function registryOf(layer: Layer): Promise<FakeRegistry> {
  const registry = await fakeRegistry({ name: 'organisations', layers: [layer] })
  registry.content.addBlob(bytes)
  for (const repository of ['org-a/app', 'org-a/team/app', 'org-b/app', 'own/app', 'public/app'])
    registry.content.addManifest(repository, 'v1', manifestOf([bytes]), OCI_MANIFEST)
  return registry
}

function opened(t: TestContext, url: string, options: Partial<OpenUpstreamOptions>) {
  const verdicts: string[] = []
  const upstream = openUpstream({
    name: 'up',
    url,
    telemetry: {
      answered() {},
      denied() {},
      received() {},
      rateLimit() {},
      circuit() {},
      credentials: (_, verdict, said) => void verdicts.push(`${verdict}: ${said}`),
    },
    env: {},
    reloadFailed: (problem) => assert.fail(String(problem)),
    ...options,
  })
  t.after(() => upstream.close())
  const pull = async (repository: string) => {
    const { resolve, blob } = upstream.repository(repository)
    assert.ok(await resolve('v1'), repository)
    assert.deepEqual(await bytesOf(await blob(digest)), bytes)
  }
  return { upstream, pull, verdicts }
}

/** Whose credentials the requests for each organisation brought, those to the token realm too; none of nobody. */
function usersSeen({ requests }: FakeRegistry): Record<string, string[]> {
  const seen: Record<string, Set<string>> = {}
  for (const request of requests) {
    const scope = new URL(request.target, 'http://fake').searchParams.get('scope')
    const repository = partsOf(request.target)?.repository ?? scope?.split(':')[1]
    assert.ok(repository !== undefined, request.target)
    const users = (seen[repository.split('/', 1)[0]!] ??= new Set())
    if (userOf(request) !== ANYBODY) users.add(userOf(request))
  }
  return Object.fromEntries(Object.entries(seen).map(([name, users]) => [name, [...users]]))
}

const SCHEMES = { bearer: organisationTokens, basic: organisationLogins }

for (const [scheme, layer] of Object.entries(SCHEMES)) {
  suite(`credentials by repository of a ${scheme} upstream`, () => {
    test('each organisation is read with its own, and no other ever goes with its requests', async (t) => {
      await using registry = await registryOf(layer({ logins: LOGINS }))
      const { pull } = opened(t, registry.url, { repositoryLogins: CREDENTIALS })
      const all = ['org-a/app', 'org-b/app', 'org-a/team/app', 'public/app']
      await Promise.all(all.map(pull))
      for (const repository of all) await pull(repository)
      assert.deepEqual(usersSeen(registry), {
        'org-a': ['a:token-of-a'],
        'org-b': ['b:token-of-b'],
        public: [],
      })
    })

    test('the login of the upstream is for the repositories that no pattern matches', async (t) => {
      await using registry = await registryOf(layer({ logins: LOGINS }))
      const login = { username: 'ci', password: 'own' }
      const { pull } = opened(t, registry.url, { login, repositoryLogins: CREDENTIALS })
      for (const repository of ['own/app', 'org-b/app', 'own/app']) await pull(repository)
      assert.deepEqual(usersSeen(registry), {
        own: ['ci:own'],
        'org-b': ['b:token-of-b'],
      })
    })

    test('one that is refused fails its repositories alone, and is told by its pattern', async (t) => {
      await using registry = await registryOf(layer({ logins: LOGINS }))
      const [a, b] = CREDENTIALS
      const wrong = { ...a!, password: 'wrong' }
      const { upstream, pull, verdicts } = opened(t, registry.url, { repositoryLogins: [wrong, b!] })
      const refused = `refused: ${registry.authority} answers 401 to the credentials of org-a/**`
      await assertFails(upstream.repository('org-a/app').resolve('v1'), 'UPSTREAM_DENIED')
      assert.deepEqual([...new Set(verdicts)], [refused])
      await pull('org-b/app')
      assert.deepEqual([...new Set(verdicts)], [refused])
    })
  })
}

test('a token is not used with other credentials, even where challenges name one scope for all', async (t) => {
  const scope = 'repository:everything:pull'
  await using registry = await registryOf(organisationTokens({ logins: LOGINS, scope }))
  const { pull } = opened(t, registry.url, { repositoryLogins: CREDENTIALS })
  for (const repository of ['org-a/app', 'org-b/app', 'public/app', 'org-a/app']) await pull(repository)
  for (const request of registry.requests) {
    const organisation = partsOf(request.target)?.repository.split('/', 1)[0]
    if (organisation === undefined) continue
    const owner = LOGINS[organisation as keyof typeof LOGINS]
    assert.ok([ANYBODY, owner].includes(userOf(request)), `${request.target} with ${userOf(request)}`)
  }
})

test('the password file of a pattern is followed', async (t) => {
  const logins: Record<string, string> = { 'org-a': 'a:old' }
  await using registry = await registryOf(organisationLogins({ logins }))
  await using folder = await tempFolder()
  const passwordFile = join(folder.path, 'token')
  await writeFile(passwordFile, 'old\n')
  const { pull } = opened(t, registry.url, {
    repositoryLogins: [{ match: 'org-a/**', username: 'a', password: 'old', passwordFile }],
  })
  await pull('org-a/app')
  logins['org-a'] = 'a:new'
  await writeFile(join(folder.path, 'next'), 'new\n')
  await rename(join(folder.path, 'next'), passwordFile)
  await pull('org-a/app')
})
