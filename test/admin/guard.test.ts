import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { Hono } from 'hono'
import { type AdminEnv, guard } from '../../src/admin/guard.ts'

const app = new Hono<AdminEnv>().use(guard()).all('/', (c) => c.text('done'))

async function statusFor(method: string, remoteAddress: string | undefined, remoteFamily: string) {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  const socket = { remoteAddress, remoteFamily }
  const incoming = { method, headers, socket } as unknown as IncomingMessage
  return (await app.request('/', { method, headers }, { incoming })).status
}

for (const [address, family, isLoopback] of [
  ['127.0.0.1', 'IPv4', true],
  ['127.8.9.10', 'IPv4', true],
  ['::1', 'IPv6', true],
  ['::ffff:127.0.0.1', 'IPv6', true],
  ['10.0.0.1', 'IPv4', false],
  ['128.0.0.1', 'IPv4', false],
  ['::ffff:10.0.0.1', 'IPv6', false],
  ['fe80::1', 'IPv6', false],
  ['::2', 'IPv6', false],
  [undefined, 'IPv4', false],
] as const) {
  test(`${address}: ${isLoopback ? 'may change something' : 'may only look'}`, async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'X'])
      assert.equal(await statusFor(method, address, family), isLoopback ? 200 : 403, method)
    assert.equal(await statusFor('GET', address, family), 200)
  })
}
