import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../src/config/config-error.ts'
import { load } from './folder.ts'

const CASES: readonly (readonly [what: string, yaml: string, lines: readonly RegExp[]])[] = [
  [
    'of the schema, the environment and the files, in the order of the file',
    `
cache:
  tll: 7d
  negative: soon
listen:
  port: 70000
upstreams:
  a:
    url: \${ABSENT}
    maxTransfers: 0
  b:
    ca: absent.pem
    username: ci
    passwordFile: absent
  b.example:
    aliases: [b]
storage: { root: '\${ABSENT}' }
admin: { tokenFile: absent }
`,
    [
      /:3: cache\.tll is not a known key, did you mean `ttl`\? /,
      /:4: cache\.negative is "soon", but must be a duration /,
      /:6: listen\.port is 70000, but must be a whole number from 0 to 65535$/,
      /:9: upstreams\.a\.url is "\$\{ABSENT\}", but \$\{ABSENT\} is not set in the environment$/,
      /:10: upstreams\.a\.maxTransfers is 0, but must be a whole number from 1 to 10000$/,
      /:12: upstreams\.b\.ca is "absent\.pem", but must be a readable file: no such file$/,
      /:14: upstreams\.b\.passwordFile is "absent", but must be a readable file: no such file$/,
      /:16: upstreams\.b\.example\.aliases\[0\] is "b", but upstreams\.b has that name already$/,
      /:17: storage\.root is "\$\{ABSENT\}", but /,
      /:18: admin\.tokenFile is "absent", but must be a readable file: no such file$/,
    ],
  ],
  [
    'unknown keys beside each other, each with its own suggestion; what is missing for it is none of its own',
    'access:\n  oidc:\n    isuer: i\n    audienc: a\n    jwks: https://i.example/keys\n  htpaswd: x',
    [
      /:3: access\.oidc\.isuer is not a known key, did you mean `issuer`\? /,
      /:4: access\.oidc\.audienc is not a known key, did you mean `audience`\? /,
      /:6: access\.htpaswd is not a known key, did you mean `htpasswd`\? /,
    ],
  ],
  [
    'both files of a pair, and in aliases and lists the place where the value is written',
    `
listen: { tls: { cert: absent.crt, key: absent.key } }
upstreams:
  a: { timeouts: &t { idle: never } }
  b:
    timeouts: *t
    hosts:
      - fine.example
      - not fine
`,
    [
      /:2: listen\.tls\.cert is "absent\.crt"/,
      /:2: listen\.tls\.key is "absent\.key"/,
      /:4: upstreams\.a\.timeouts\.idle is "never"/,
      /:4: upstreams\.b\.timeouts\.idle is "never"/,
      /:9: upstreams\.b\.hosts\[1\] is "not fine"/,
    ],
  ],
  [
    'not what depends on a section that is wrong',
    "defaultUpstream: a\nlisten: { tls: { cert: 1 } }\naccess: { rules: [{ identity: x, repositories: ['**'] }] }\nupstreams: { a: 1 }",
    [
      /:2: listen\.tls\.key is missing, but /,
      /:2: listen\.tls\.cert is 1, but /,
      /:4: upstreams\.a is 1, but /,
    ],
  ],
  ['a file that is no mapping', '- a', [/:1: the file is a list, but must be a mapping of listen, /]],
]

for (const [what, yaml, lines] of CASES) {
  test(`every issue is told at once, with its line: ${what}`, async (t) => {
    const error: unknown = await load(t, yaml).catch((error: unknown) => error)
    assert.ok(error instanceof ConfigError)
    const told = error.message.split('\n')
    assert.equal(told.length, lines.length, error.message)
    for (const [i, line] of lines.entries()) assert.match(told[i]!, line)
  })
}
