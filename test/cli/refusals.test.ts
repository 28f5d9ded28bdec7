/** What a command says of a server that is not what it was taken for, and of files that cannot be used. */
import assert from 'node:assert/strict'
import { createServer as createHttp, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { commands } from '../../src/cli/commands.ts'
import { run } from '../../src/cli/run.ts'
import { authority } from '../support/certificates.ts'
import { type TempFolder, tempFolder } from '../support/temp-folder.ts'

const table = commands({
  start: async () => {},
  now: Date.now,
  openHere: () => Promise.reject(new Error('no store')),
})

async function said(argv: readonly string[], env: Record<string, string> = {}) {
  const texts = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof texts) => ({ write: (text: string) => void (texts[name] += text) })
  const code = await run(table, argv, { env, stdout: stream('stdout'), stderr: stream('stderr') })
  return { code, ...texts }
}

/** A server that answers everything with this, and remembers the tokens that it was sent. */
async function serverOf(server: Server, scheme: string, status: number, text: string) {
  const tokens: (string | undefined)[] = []
  server.on('request', (request, response) => {
    tokens.push(request.headers.authorization)
    request.resume()
    response.writeHead(status).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tokens,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

for (const [name, status, text, code, words] of [
  ['a page', 200, '<html>', 1, /^entrepot: http:\S+ is not the admin listener of Entrepot: .+\n$/],
  [
    'a page that is missing',
    404,
    '<html>',
    1,
    /answered 404, and is not the admin listener of Entrepot: <html>\n$/,
  ],
  ['a registry', 404, '{"errors":[{}]}', 1, /answered 404: that is a registry, and not the admin listener/],
  [
    'a wrong argument',
    400,
    '{"error":"since must be"}',
    64,
    /^entrepot: since must be \(see entrepot drift --help\)\n$/,
  ],
  [
    'no token',
    401,
    '{"error":"admin.token required"}',
    1,
    /admin\.token required; give it by --token or ENTREPOT_TOKEN\n$/,
  ],
] as const) {
  test(`${name} is told as such`, async () => {
    await using server = await serverOf(createHttp(), 'http', status, text)
    const told = await said(['drift', '--server', server.url])
    assert.equal(told.code, code)
    assert.match(told.stderr, words)
    assert.equal(told.stdout, '')
  })
}

test('http and https that are taken for each other, and an unknown authority, are told with what to write', async () => {
  await using folder = await tempFolder()
  const [ca, other] = [authority(), authority('Another')]
  await writeFile(join(folder.path, 'other.pem'), other.cert)
  await using plain = await serverOf(createHttp(), 'https', 200, '{}')
  await using secured = await serverOf(createHttps(ca.server()), 'https', 200, '{}')
  for (const [args, words] of [
    [[plain.url], /\(ERR_SSL_\w+\): it does not speak TLS: write http:\/\/\n$/],
    [
      [secured.url.replace('https', 'http')],
      /\(\w+\): if it speaks TLS, write https:\/\/; else it has ended, see its log\n$/,
    ],
    [[secured.url], /of an authority that is not trusted here: name that by --ca FILE\n$/],
    [[secured.url, '--ca', join(folder.path, 'other.pem')], /is signed by none of these authorities\n$/],
  ] as const) {
    const { code, stderr } = await said(['status', '--server', ...args])
    assert.equal(code, 1)
    assert.match(stderr, words)
  }
})

test('the token is sent without white space around it, by the configuration too, and never one that no header holds', async () => {
  await using folder = await tempFolder()
  await using server = await serverOf(createHttp(), 'http', 200, '{"moves":[],"since":""}')
  const file = join(folder.path, 'a.yaml')
  // The token of the process comes from an environment that is not here.
  await writeFile(file, `admin: { port: ${new URL(server.url).port}, token: \${ADMIN_TOKEN} }\n`)
  for (const args of [
    ['--server', server.url],
    ['--config', file],
  ]) {
    assert.equal((await said(['drift', ...args], { ENTREPOT_TOKEN: ' secret\n' })).code, 0)
  }
  assert.deepEqual(server.tokens, ['Bearer secret', 'Bearer secret'])
  const broken = await said(['drift', '--server', server.url, '--token', 'a\nb'])
  assert.equal(broken.code, 64)
  assert.match(broken.stderr, /^entrepot: --token must be printable characters of ASCII/)
})

suite('a file that cannot be used is named, with why', () => {
  let folder: TempFolder
  before(async () => (folder = await tempFolder()))
  after(() => folder[Symbol.asyncDispose]())
  const server = ['--server', 'http://127.0.0.1:1']

  for (const [args, code, words] of [
    [['import', 'absent.tar', ...server], 1, 'cannot use @/absent.tar: no such file or folder'],
    [['import', '.', ...server], 1, 'cannot use @/.: it is a folder, and an archive is needed'],
    [['warm', '-f', 'absent.txt', ...server], 1, 'cannot use @/absent.txt: no such file or folder'],
    [['warm', '-f', '.', ...server], 1, 'a folder was named, and a file is needed'],
    [['export', 'node', '-o', 'absent/a.tar', ...server], 1, 'cannot use @/absent: no such file or folder'],
    [
      ['export', 'node', '-o', '.', ...server],
      1,
      'cannot use @/.: it is no regular file; -o - writes to the standard output',
    ],
    [['migrate', 'registry2', 'absent.yml'], 1, 'cannot use @/absent.yml: no such file or folder'],
    [['adopt', 'absent', '--config', 'empty.yaml'], 1, 'cannot use @/absent: no such file or folder'],
  ] as const) {
    test(args.slice(0, 4).join(' '), async () => {
      await writeFile(join(folder.path, 'empty.yaml'), '')
      const here = args.map((word) =>
        /^(?:absent.*|empty.yaml|\.)$/.test(word) ? `${folder.path}/${word}` : word,
      )
      const told = await said(here)
      assert.deepEqual(told, { code, stdout: '', stderr: `entrepot: ${words.replace('@', folder.path)}\n` })
    })
  }

  test('an archive never takes the place of a device', async () => {
    const { code, stderr } = await said(['export', 'node', '-o', '/dev/null', ...server])
    assert.deepEqual([code, stderr.includes('cannot use /dev/null: it is no regular file')], [1, true])
  })

  test('an empty ENTREPOT_CONFIG is none, and an empty --config a mistake', async () => {
    process.chdir(folder.path)
    try {
      assert.match((await said(['ls'], { ENTREPOT_CONFIG: '' })).stderr, /there is no store in/)
    } finally {
      process.chdir(import.meta.dirname)
    }
    assert.equal((await said(['ls', '--config', ''])).code, 64)
  })
})

test('an answer that breaks off is told as that, and so is a request that does', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'images.tar')
  await writeFile(file, Buffer.alloc(4_000_000))
  const server = createHttp((request, response) => {
    if (request.url!.startsWith('/api/v1/import')) return request.once('data', () => request.destroy())
    response.writeHead(200, { 'Content-Length': 100 }).write('{"images":')
    return setImmediate(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const at = ['--server', `http://127.0.0.1:${port}`]
    for (const argv of [['ls'], ['verify'], ['warm', 'node']]) {
      const { code, stderr } = await said([...argv, ...at])
      assert.equal(code, 1)
      assert.match(stderr, /^entrepot: http:\S+ broke its answer off \(\w+\): it has ended, see its log\n$/)
    }
    const { code, stderr } = await said(['import', file, ...at])
    assert.equal(code, 1)
    assert.match(stderr, /does not answer \(\w+\): .+; else it has ended, see its log\n$/)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
