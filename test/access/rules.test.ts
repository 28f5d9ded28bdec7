import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registryAuthenticator } from '../../src/access/registry-authenticator.ts'
import { rules } from '../../src/access/rules.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { upstreamNames } from '../../src/oci/upstream-names.ts'

const UPSTREAMS = upstreamNames([
  'docker.io',
  'ghcr.io',
  'quay.io',
  'mirror',
  { name: 'quay.io', aliases: ['q'] },
])

const repository = (text: string) => {
  const slash = text.indexOf('/')
  return { upstream: text.slice(0, slash), name: text.slice(slash + 1) }
}

test('the first rule for an identity counts, and what no rule allows is denied', () => {
  const may = rules(
    [
      { identity: 'ci-*', repositories: ['ghcr.io/org/*', 'docker.io/library/alpine'] },
      { identity: 'cert:*', repositories: ['**'] },
      { identity: 'oidc:repo:org/app:*', repositories: ['ghcr.io/org/app'] },
      { identity: 'nobody', repositories: [] },
      { repositories: ['docker.io/library/*'] },
    ],
    UPSTREAMS,
  )
  const cases: readonly (readonly [identity: string | undefined, repository: string, may: boolean])[] = [
    ['ci-7', 'ghcr.io/org/app', true],
    ['ci-7', 'docker.io/library/alpine', true],
    ['ci-7', 'docker.io/library/node', false],
    ['ci-7', 'ghcr.io/org/app/deep', false],
    ['ci-7', 'ghcr.io/organisation/app', false],
    ['ci-7', 'quay.io/org/app', false],
    ['xci-7', 'ghcr.io/org/app', false],
    ['cert:ci-7', 'quay.io/a/b/c', true],
    ['oidc:cert:x', 'quay.io/a/b', false],
    ['oidc:repo:org/app:ref:refs/heads/main', 'ghcr.io/org/app', true],
    ['oidc:repo:evil/app:ref:repo:org/app:x', 'ghcr.io/org/app', false],
    ['nobody', 'docker.io/library/node', false],
    ['someone', 'docker.io/library/node', true],
    ['someone', 'ghcr.io/org/app', false],
    [undefined, 'docker.io/library/node', true],
    [undefined, 'ghcr.io/org/app', false],
  ]
  for (const [identity, name, expected] of cases) {
    assert.equal(may(identity, repository(name)), expected, `${identity} ${name}`)
  }
  assert.equal(rules([], UPSTREAMS)('anyone', repository('docker.io/library/node')), false)
})

test('rules take the patterns that pins and all others take', () => {
  const cases: readonly (readonly [pattern: string, its: string, others: string])[] = [
    ['node', 'docker.io/library/node', 'ghcr.io/library/node'],
    ['docker.io/node', 'docker.io/library/node', 'docker.io/library/alpine'],
    ['org/**', 'docker.io/org/a/b', 'ghcr.io/org/a'],
    ['docker.io/*', 'docker.io/library/node', 'docker.io/org/app'],
    ['mirror/*', 'mirror/app', 'docker.io/mirror/app'],
    ['q/org/*', 'quay.io/org/app', 'docker.io/q/org'],
    ['*/org/app', 'ghcr.io/org/app', 'ghcr.io/org/app/deep'],
  ]
  for (const [pattern, its, others] of cases) {
    const may = rules([{ repositories: [pattern] }], UPSTREAMS)
    assert.deepEqual([may('ci', repository(its)), may('ci', repository(others))], [true, false], pattern)
  }
  for (const all of ['*', '**'])
    assert.equal(rules([{ repositories: [all] }], UPSTREAMS)(undefined, repository('quay.io/a/b')), true)
})

test('who asks about many repositories learns without an exception what authorize lets pass', async () => {
  const authenticator = registryAuthenticator({
    rules: rules([{ repositories: ['docker.io/library/*'] }], UPSTREAMS),
    certificates: 'optional',
  })
  const principal = await authenticator.authenticate({ address: '127.0.0.1' })
  for (const [name, may] of [
    ['docker.io/library/node', true],
    ['ghcr.io/org/app', false],
  ] as const) {
    assert.equal(principal.mayRead(repository(name)), may)
    if (may) principal.authorize(repository(name))
    else
      assert.throws(
        () => principal.authorize(repository(name)),
        (error) => isRegistryError(error, 'DENIED'),
      )
  }
  const open = await registryAuthenticator({}).authenticate({ address: '127.0.0.1' })
  assert.equal(open.mayRead(repository('ghcr.io/org/app')), true)
})
