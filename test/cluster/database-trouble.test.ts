/** What an operator is told of a database that does not answer. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import type { RegistryError } from '../../src/oci/errors.ts'
import { Database } from '../../src/cluster/database.ts'
import { replicas } from '../../src/cluster/replicas.ts'

/** A message of the protocol: its type, a number, and text. */
function message(type: string, kind: number, text: string): Buffer {
  const head = Buffer.alloc(9)
  head.write(type)
  head.writeUInt32BE(8 + text.length, 1)
  head.writeUInt32BE(kind, 5)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Answers what a client sends before a session begins. */
async function answering(answer: (sent: Buffer) => Buffer, isLast = false) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket
      .on('error', () => {})
      .on('data', (sent) => {
        socket.write(answer(sent))
        if (isLast) socket.end()
      })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Refuses each connection with one SQLSTATE. */
function refusing(code: string) {
  const fields = Buffer.from(`SFATAL\0C${code}\0Mno\0\0`)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(4 + fields.length)
  return answering(() => Buffer.concat([Buffer.from('E'), length, fields]), true)
}

async function reportOf(port: number, query = '') {
  await using database = new Database({
    url: `postgres://entrepot@127.0.0.1:${port}/entrepot${query}`,
    asked() {},
    now: Date.now,
  })
  const address = 'http://10.0.0.5:5000'
  await using all = replicas({ database, address, version: '1', counted() {} })
  return all.report()
}

suite('the report of the replicas says why the database does not answer', () => {
  for (const [code, said, advice] of [
    ['28P01', 'refuses the password', /passwordFile/],
    ['57P01', 'is starting or stopping', /wait/],
    ['3D000', 'does not have that database', /storage\.index\.postgres/],
    ['25006', 'is a standby: it may be read only', /primary/],
    ['XX000', 'fails (XX000)', /storage\.index\.postgres/],
  ] as const) {
    test(code, async () => {
      await using server = await refusing(code)
      const { replicas: found, trouble } = await reportOf(server.port)
      assert.equal(found, null)
      assert.equal(trouble?.said, said)
      assert.match(trouble.advice, advice)
    })
  }

  test('a statement that is not sent meanwhile fails for the same reason', async () => {
    await using server = await refusing('3D000')
    const url = `postgres://entrepot@127.0.0.1:${server.port}/entrepot`
    await using database = new Database({ url, asked() {}, now: Date.now })
    for (let i = 0; i < 2; i++)
      await assert.rejects(
        database.query('SELECT 1'),
        (error: RegistryError) => error.detail['reason'] === '3D000',
      )
  })

  test('it wants a password, and there is none', async (t) => {
    // The client would take that of whoever runs the tests.
    const { PGPASSWORD, PGPASSFILE } = process.env
    t.after(() => {
      for (const [name, value] of Object.entries({ PGPASSWORD, PGPASSFILE }))
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
    })
    delete process.env['PGPASSWORD']
    process.env['PGPASSFILE'] = `${import.meta.filename}.none`
    await using server = await answering((sent) => {
      const nonce = /r=([^,\0]+)$/.exec(sent.toString('latin1'))?.[1]
      if (nonce === undefined) return message('R', 10, 'SCRAM-SHA-256\0\0')
      return message('R', 11, `r=${nonce}x,s=c2FsdA==,i=4096`)
    })
    const { trouble } = await reportOf(server.port)
    assert.equal(trouble?.said, 'wants a password, and there is none')
  })

  test('it does not speak TLS', async () => {
    await using server = await answering(() => Buffer.from('N'), true)
    const { trouble } = await reportOf(server.port, '?sslmode=require')
    assert.equal(trouble?.said, 'does not speak TLS')
    assert.match(trouble.advice, /^turn TLS on .* sslmode only on a network of your own/)
  })

  test('nothing listens', async () => {
    const server = await refusing('28P01')
    await server[Symbol.asyncDispose]()
    const { trouble } = await reportOf(server.port)
    assert.equal(trouble?.said, 'refuses connections: nothing listens at its address')
  })
})
