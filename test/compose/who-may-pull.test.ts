import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whoMayPull } from '../../src/compose/listeners/registry-auth.ts'

const file = { path: '/f', text: '' }
const tls = (clientAuth: 'require' | 'optional') => ({ cert: file, key: file, clientCa: file, clientAuth })
const rules = [{ repositories: ['**'] }]
const oidc = { issuer: 'i', audience: 'a', jwks: 'https://i/keys', claim: 'sub' }
const networks = ['10.0.0.0/8', '::1']

type Access = { [K in 'htpasswd' | 'oidc' | 'rules' | 'networks' | 'tls']?: unknown }

test('SEC-95: the start says truly who may pull: any one of the ways to log in is enough', () => {
  const cases: readonly (readonly [Access, string])[] = [
    [{}, 'everyone'],
    [{ networks }, 'everyone from 10.0.0.0/8, ::1'],
    [{ tls: tls('optional') }, 'everyone'],
    [{ tls: tls('require') }, 'clients with a certificate'],
    [{ tls: tls('require'), htpasswd: file }, 'clients with a certificate'],
    [{ tls: tls('optional'), htpasswd: file }, 'clients with a password or a certificate'],
    [{ htpasswd: file, oidc }, 'clients with a password or a token'],
    [{ htpasswd: file, networks }, 'clients with a password from 10.0.0.0/8, ::1'],
    [{ rules }, 'clients as access.rules say'],
    [{ rules, tls: tls('optional') }, 'clients as access.rules say, known by a certificate'],
    [
      { rules, htpasswd: file, networks },
      'clients from 10.0.0.0/8, ::1 as access.rules say, known by a password',
    ],
  ]
  for (const [{ tls, ...access }, said] of cases) {
    const config = { access: { trustedProxies: [], ...access }, listen: { tls } }
    assert.equal(whoMayPull(config as unknown as Parameters<typeof whoMayPull>[0]), said)
  }
})
