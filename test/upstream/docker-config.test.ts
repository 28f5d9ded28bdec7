import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDockerConfig, serverName } from '../../src/upstream/credentials/docker-config.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const entry = (config: unknown, url: string) => parseDockerConfig(JSON.stringify(config), new URL(url))

const auth = { auth: base64('ci:pass:word') }
const credentials = { username: 'ci', password: 'pass:word' }
const HUB = 'https://registry-1.docker.io'

test('keys of auths name a registry by its host, in all the ways Docker wrote them', () => {
  const cases: [key: string, url: string, found: boolean][] = [
    ['ghcr.io', 'https://ghcr.io', true],
    ['https://ghcr.io', 'https://ghcr.io', true],
    ['https://ghcr.io/', 'https://ghcr.io', true],
    ['https://ghcr.io/v1/', 'https://ghcr.io', true],
    ['https://ghcr.io/v2', 'https://ghcr.io', true],
    ['registry.example:5443', 'https://registry.example:5443', true],
    ['https://index.docker.io/v1/', HUB, true],
    ['index.docker.io', HUB, true],
    ['docker.io', HUB, true],
    // SEC-03: near is not the same.
    ['registry.example', 'https://registry.example:5443', false],
    ['registry.example:5443', 'https://registry.example', false],
    ['ghcr.io/org', 'https://ghcr.io', false],
    ['https://ghcr.io.evil.example', 'https://ghcr.io', false],
    ['evil.example/ghcr.io', 'https://ghcr.io', false],
    ['example', 'https://registry.example', false],
    // Whoever mirrors Docker Hub is not given its password.
    ['https://index.docker.io/v1/', 'https://mirror.example', false],
    ['mirror.gcr.io', HUB, false],
  ]
  for (const [key, url, found] of cases) {
    const expected = found ? { credentials } : {}
    assert.deepEqual(entry({ auths: { [key]: auth } }, url), expected, `${key} for ${url}`)
  }
})

test('an entry is a login, an identity token, or nothing', () => {
  const cases: [entry: unknown, credentials: unknown][] = [
    [auth, credentials],
    [{ auth: `${base64('ci:secret\0\0')}` }, { username: 'ci', password: 'secret' }],
    [
      { username: 'ci', password: 'p' },
      { username: 'ci', password: 'p' },
    ],
    [{ auth: base64('ci:'), identitytoken: 'id' }, { identityToken: 'id' }],
    [{ auth: base64('<token>:id') }, { identityToken: 'id' }],
    [{}, undefined],
    [null, undefined],
    ['ci:secret', undefined],
    [{ auth: base64('nothing') }, undefined],
    [{ auth: base64(':anonymous') }, undefined],
    [{ auth: 7 }, undefined],
    [{ username: 'ci' }, undefined],
  ]
  for (const [value, expected] of cases) {
    const found = entry({ auths: { 'ghcr.io': value } }, 'https://ghcr.io')
    assert.deepEqual(found?.credentials, expected, JSON.stringify(value))
  }
})

test('helpers: for the registry, for all of them, or none that is no name', () => {
  const found = entry(
    { credHelpers: { 'ghcr.io': 'one' }, credsStore: 'all', auths: { 'ghcr.io': auth } },
    'https://ghcr.io',
  )
  assert.deepEqual(found, { helper: 'one', store: 'all', credentials })
  assert.deepEqual(entry({ credHelpers: { 'quay.io': 'one' } }, 'https://ghcr.io'), {})
  assert.deepEqual(entry({ credsStore: '../../bin/sh' }, 'https://ghcr.io'), {})
  assert.deepEqual(entry({ credHelpers: { 'index.docker.io': 'hub' } }, HUB), { helper: 'hub' })
})

test('what is no configuration of Docker is told from one that has nothing', () => {
  for (const text of ['', '{', 'null', '7', '"x"']) {
    assert.equal(parseDockerConfig(text, new URL('https://ghcr.io')), undefined, text)
  }
  assert.deepEqual(entry({ auths: null, credHelpers: 'x', HttpHeaders: {} }, 'https://ghcr.io'), {})
})

test('helpers know Docker Hub by the address Docker gives them', () => {
  assert.equal(serverName(new URL(HUB)), 'https://index.docker.io/v1/')
  assert.equal(serverName(new URL('https://ghcr.io')), 'ghcr.io')
  assert.equal(serverName(new URL('https://registry.example:5443')), 'registry.example:5443')
})
