import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Exchange } from '../../src/http/exchange.ts'
import { send } from '../../src/http/send.ts'

test('SEC-58 a client that leaves between the making of an answer and its sending harms nobody', async () => {
  const thrown: unknown[] = []
  const note = (error: unknown) => void thrown.push(error)
  process.on('uncaughtException', note)
  const server = createServer((incoming, outgoing) => {
    const exchange = new Exchange(incoming, outgoing)
    send(exchange, 200, [], Buffer.from('an answer'))
    outgoing.destroy()
    assert.ok(exchange.isAborted)
  })
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    for (const method of ['GET', 'HEAD']) {
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
      client.on('error', () => {})
      client.write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`)
      await once(client, 'close')
    }
    await turn()
    assert.deepEqual(thrown, [])
  } finally {
    process.off('uncaughtException', note)
    server.close()
  }
})

test('SEC-73: a long answer is written a piece at a time, and arrives whole', async () => {
  const pieces = [Buffer.from('['), Buffer.alloc(5_000_000, 'ab'), Buffer.alloc(0), Buffer.from(']')]
  const written: number[] = []
  const server = createServer((incoming, outgoing) => {
    const write = outgoing.write.bind(outgoing) as (chunk: Buffer) => boolean
    outgoing.write = (chunk: Buffer) => {
      written.push(chunk.length)
      return write(chunk)
    }
    send(new Exchange(incoming, outgoing), 200, [], pieces)
  })
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/`)
    assert.ok(Buffer.concat(pieces).equals(Buffer.from(await response.arrayBuffer())))
    assert.ok(written.length > 70 && Math.max(...written) <= 64 * 1024)
    const leaving = new AbortController()
    await fetch(`http://127.0.0.1:${port}/`, { signal: leaving.signal })
    leaving.abort()
    assert.equal((await fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD' })).status, 200)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
