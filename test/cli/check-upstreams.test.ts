/** `entrepot serve --check --upstreams`: what is wrong with an upstream is said before a client finds it. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { stringify } from 'yaml'
import { runEntrepot } from '../support/child.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { fakeV1 } from '../support/fake-v1.ts'
import { selfSignedCertificate } from '../support/fixtures.ts'
import { fakeRegistry } from '../support/registries/fake-registry.ts'
import { organisationTokens } from '../support/registries/organisations.ts'
import { tempFolder } from '../support/temp-folder.ts'

async function check(upstreams: object) {
  await using folder = await tempFolder()
  const file = join(folder.path, 'proxy.config.yaml')
  await writeFile(file, stringify({ publicUpstreams: false, defaultUpstream: 'guarded.test', upstreams }))
  return await runEntrepot('serve', '--check', '--upstreams', '--config', file)
}

suite('serve --check --upstreams', () => {
  test('an endpoint of the first protocol', async () => {
    await using today = await fakeUpstream()
    await using old = await fakeV1({ login: { basic: Buffer.from('ci:right').toString('base64') } })
    const way = { url: old.url, api: 'v1', username: 'ci' }
    const checked = (password: string) =>
      check({
        'guarded.test': { endpoints: [today.url, { ...way, password }], schema1: 'convert' },
      })
    const { code, stdout } = await checked('right')
    assert.deepEqual(
      [code, stdout],
      [
        0,
        `guarded.test (${today.url}) answers\nguarded.test (${old.url}) answers, and accepts the credentials\n`,
      ],
    )
    assert.notEqual((await checked('wrong')).code, 0)
  })

  test('upstreams that answer, anonymously and with credentials', async () => {
    await using open = await fakeUpstream()
    await using guarded = await fakeUpstream({
      auth: { scheme: 'bearer', username: 'ci', password: 'right' },
    })
    await using basic = await fakeUpstream({
      auth: { scheme: 'basic', username: 'ci', password: 'right' },
    })
    const { code, stdout, stderr } = await check({
      'open.test': { url: open.url },
      'basic.test': { url: basic.url, username: 'ci', password: 'right' },
      'guarded.test': { url: guarded.url, username: 'ci', password: 'right' },
    })
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(stdout.split('\n'), [
      'open.test answers',
      'basic.test answers, and accepts the credentials',
      'guarded.test answers, and accepts the credentials',
      '',
    ])
  })

  test('credentials that are refused, a certificate that is not trusted, and an upstream that is not there', async () => {
    await using guarded = await fakeUpstream({
      auth: { scheme: 'basic', username: 'ci', password: 'right' },
    })
    await using bearer = await fakeUpstream({
      auth: { scheme: 'bearer', username: 'ci', password: 'right' },
    })
    await using secure = await fakeUpstream({ tls: selfSignedCertificate() })
    const { code, stdout } = await check({
      'guarded.test': { url: guarded.url, username: 'ci', password: 'wrong-one' },
      'bearer.test': { url: bearer.url, username: 'ci', password: 'wrong-one' },
      'secure.test': { url: secure.url },
      'gone.test': { url: 'http://127.0.0.1:9' },
    })
    assert.equal(code, 1)
    const [refused, bearers, untrusted, gone] = stdout.split('\n')
    assert.match(refused!, /^guarded\.test refuses the configured credentials; .*upstreams\.guarded\.test/)
    assert.match(bearers!, /^bearer\.test .*credentials.*; .*upstreams\.bearer\.test/)
    assert.match(untrusted!, /^secure\.test shows a certificate .*; .*upstreams\.secure\.test\.ca/)
    assert.match(gone!, /^gone\.test refuses connections.*; check upstreams\.gone\.test\.url/)
    assert.doesNotMatch(stdout, /wrong-one/)
  })

  test('each of the credentials of an upstream is shown to it', async () => {
    const logins = { 'org-a': 'a:token-of-a', 'org-b': 'b:token-of-b' }
    await using github = await fakeRegistry({ name: 'github', layers: [organisationTokens({ logins })] })
    const a = { match: 'org-a/**', username: 'a', password: 'token-of-a' }
    const b = { match: 'org-b/*-image', username: 'b', password: 'token-of-b' }
    const { stdout } = await check({
      'guarded.test': { url: github.url, credentials: [a, b] },
      'wrong.test': { url: github.url, credentials: [a, { ...b, password: 'wrong-one' }] },
    })
    const [right, wrong] = stdout.split('\n')
    assert.equal(right, 'guarded.test answers, and accepts the credentials')
    assert.match(
      wrong!,
      /^wrong\.test .* refuses the configured credentials .*; correct those of org-b\/\*-image in upstreams\.wrong\.test\.credentials$/,
    )
  })

  test('--upstreams alone is a mistake', async () => {
    const { code, stderr } = await runEntrepot('serve', '--upstreams')
    assert.equal(code, 64)
    assert.match(stderr, /--upstreams goes with --check/)
  })
})
