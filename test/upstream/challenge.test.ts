import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenges } from '../../src/upstream/auth/challenge.ts'

const CASES: [
  header: string | undefined,
  ...challenges: [scheme: string, parameters: Record<string, string>][],
][] = [
  [undefined],
  [''],
  ['Basic realm="x"', ['basic', { realm: 'x' }]],
  ['Negotiate', ['negotiate', {}]],
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
    ['bearer', { realm: 'https://auth.docker.io/token', service: 'registry.docker.io' }],
  ],
  // A comma inside quotes, as every registry sends that names several actions.
  [
    'Bearer realm="r", scope="repository:a/b:pull,push"',
    ['bearer', { realm: 'r', scope: 'repository:a/b:pull,push' }],
  ],
  [
    'Bearer realm="r",scope="a,b", Basic realm="x"',
    ['bearer', { realm: 'r', scope: 'a,b' }],
    ['basic', { realm: 'x' }],
  ],
  ['Negotiate, Basic realm="x"', ['negotiate', {}], ['basic', { realm: 'x' }]],
  ['Negotiate YWJj==, Basic realm="x"', ['negotiate', {}], ['basic', { realm: 'x' }]],
  ['Bearer realm = "r" , service = s', ['bearer', { realm: 'r', service: 's' }]],
  ['bEARER REALM=r', ['bearer', { realm: 'r' }]],
  [String.raw`Basic realm="say \"hi\", \\ you"`, ['basic', { realm: String.raw`say "hi", \ you` }]],
  [', ,Basic realm="x",,', ['basic', { realm: 'x' }]],
  ['Bearer realm="first",realm="second"', ['bearer', { realm: 'first' }]],
  ['Bearer realm="",error="insufficient_scope"', ['bearer', { realm: '', error: 'insufficient_scope' }]],
  // FR-19: against the grammar, and meant so.
  [
    'Bearer realm=https://auth.example/token?x=1,service=registry.example:5000,scope="repository:a:pull"',
    [
      'bearer',
      {
        realm: 'https://auth.example/token?x=1',
        service: 'registry.example:5000',
        scope: 'repository:a:pull',
      },
    ],
  ],
  ['Bearer realm=/v2/token, service=s', ['bearer', { realm: '/v2/token', service: 's' }]],
  // What is not of the grammar ends it.
  ['Bearer realm="unclosed', ['bearer', {}]],
  ['realm="of nothing"'],
  ['Basic realm="x", "what"', ['basic', { realm: 'x' }]],
  ['Basic __proto__="x"', ['basic', Object.fromEntries([['__proto__', 'x']])]],
]

test('WWW-Authenticate is parsed as RFC 9110 section 11.6.1 has it', () => {
  for (const [header, ...expected] of CASES) {
    const parsed = parseChallenges(header).map(({ scheme, parameters }) => [
      scheme,
      Object.fromEntries(Object.entries(parameters)),
    ])
    assert.deepEqual(parsed, expected, header)
  }
})

test('a hostile header of 16 KiB is parsed in no time', () => {
  for (const header of [
    'a'.repeat(16_384),
    '"'.repeat(16_384),
    'a="\\'.repeat(4_096),
    ', '.repeat(8_192),
    'a '.repeat(8_192),
  ]) {
    const begin = performance.now()
    parseChallenges(header)
    assert.ok(performance.now() - begin < 500, `${header.slice(0, 8)} took too long`)
  }
})
