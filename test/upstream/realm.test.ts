import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anonymousRealmAllowed, realmAllowed } from '../../src/upstream/auth/realm.ts'

const HUB = ['https://auth.docker.io']

const CASES: [upstream: string, realm: string, tokenRealms: string[], allowed: boolean][] = [
  // distribution: TestConfigureAuthAllowsSameAuthorityRealm
  ['https://registry.example.com', 'https://registry.example.com/token', [], true],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token', [], true],
  // TestConfigureAuthRejectsLoopbackRealmOnDifferentAuthority
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', [], false],
  ['http://127.0.0.1:5000', 'http://127.0.0.2:5000/token', [], false],
  ['http://localhost:5000', 'http://localhost:5001/token', [], false],
  ['http://[::1]:5000', 'http://[::1]:5001/token', [], false],
  // TestRealmAllowedForDockerHubStyleAuthService
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', HUB, true],
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', [], true],
  // TestRealmFilteringChallengeManagerDropsOffOriginBearer
  ['https://registry-1.docker.io', 'https://auth.docker.io.evil.com/token', HUB, false],
  ['https://registry-1.docker.io', 'https://evil.com/token', HUB, false],
  ['https://registry.example.com', 'https://example.com.evil.com/', [], false],
  ['https://registry.example.com', 'https://notexample.com/', [], false],
  ['https://quay.io', 'https://auth.quay.io/v2/auth', [], true],
  ['https://gitlab.example.co.uk', 'https://evil.co.uk/', [], false],
  ['https://gitlab.example.co.uk', 'https://auth.example.co.uk/', [], true],
  ['https://registry', 'https://auth/', [], false],
  ['https://gitlab.example.org.pl', 'https://evil.org.pl/', [], false],
  ['https://registry.city.kawasaki.jp', 'https://auth.city.kawasaki.jp/', [], true],
  // Tenants of one hosting company are strangers to each other.
  ['https://registry.github.io', 'https://evil.github.io/', [], false],
  ['https://registry.s3.amazonaws.com', 'https://evil.s3.amazonaws.com/', [], false],
  ['https://registry.blogspot.com', 'https://auth.registry.blogspot.com/', [], true],
  ['https://registry.corp.internal', 'https://auth.corp.internal/', [], true],
  ['https://registry.corp', 'https://evil.corp/', [], false],
  // What the operator lists is listed by scheme, host and port.
  [
    'https://registry.freedesktop.org',
    'https://gitlab.example.net/jwt/auth',
    ['https://gitlab.example.net'],
    true,
  ],
  [
    'https://registry.freedesktop.org',
    'https://gitlab.example.net:8443/',
    ['https://gitlab.example.net'],
    false,
  ],
  ['https://registry.freedesktop.org', 'http://gitlab.example.net/', ['https://gitlab.example.net'], false],
  // Never in the clear to a neighbour, nor on another port of one.
  ['https://registry.example.com', 'http://auth.example.com/', [], false],
  ['https://registry.example.com', 'http://registry.example.com/', [], false],
  ['https://registry.example.com', 'https://auth.example.com:8443/', [], false],
  ['https://registry.example.com', 'https://user:pass@registry.example.com/', [], false],
  ['https://registry.example.com', 'ftp://registry.example.com/', [], false],
]

test('SEC-01 a token realm is the same authority, the same registrable domain, or listed', () => {
  for (const [upstream, realm, listed, allowed] of CASES) {
    assert.equal(realmAllowed(new URL(upstream), new URL(realm), listed), allowed, `${upstream} -> ${realm}`)
  }
})

const ANONYMOUS: [upstream: string, realm: string, allowed: boolean][] = [
  ['https://lscr.io', 'https://ghcr.io/token', true],
  ['https://registry.example.com', 'https://auth.other.example/', true],
  ['https://registry.example.com', 'https://auth.other.example:8443/', true],
  ['http://registry.example.com', 'http://auth.other.example/', true],
  ['https://registry.example.com', 'http://auth.other.example/', false],
  ['https://registry.example.com', 'https://user@auth.other.example/', false],
  ['https://registry.example.com', 'https://10.0.0.1/', false],
  ['https://registry.example.com', 'https://169.254.169.254/', false],
  ['https://registry.example.com', 'https://localhost/', false],
  ['https://registry.example.com', 'https://[::1]/', false],
  ['http://10.0.0.5:5000', 'http://10.0.0.6:8080/token', true],
  ['http://10.0.0.5:5000', 'http://127.0.0.1:8080/token', false],
  ['http://10.0.0.5:5000', 'http://169.254.169.254/token', false],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', true],
  ['http://127.0.0.1:5000', 'http://10.0.0.6/token', false],
]

test('FR-11 an anonymous token may come from any public host, or from where the upstream itself is', () => {
  for (const [upstream, realm, allowed] of ANONYMOUS) {
    assert.equal(anonymousRealmAllowed(new URL(upstream), new URL(realm)), allowed, `${upstream} -> ${realm}`)
  }
})
