import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { paced } from '../../src/compose/listeners/paced.ts'

test('SEC-80: requests of one client to the admin listener come at a pace, and probes and others wait for none', async () => {
  const server = createServer(paced((_, outgoing) => void outgoing.end()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  using cleanup = new DisposableStack()
  cleanup.defer(() => server.close())
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })
  cleanup.defer(() => agent.destroy())
  const began = performance.now()
  const ask = async (path: string, localAddress = '127.0.0.1'): Promise<number> => {
    const [response] = (await once(get({ port, path, localAddress, agent }), 'response')) as [IncomingMessage]
    await once(response.resume(), 'end')
    return performance.now() - began
  }
  const times = Promise.all(Array.from({ length: 100 }, () => ask('/api/v1/status')))
  const free = await Promise.all([ask('/healthz'), ask('/readyz?verbose'), ask('/', '127.0.0.2')])
  const sorted = (await times).toSorted((a, b) => a - b)
  assert.ok(sorted[99]! >= 980, `the last after ${sorted[99]} ms`)
  assert.ok(sorted[99]! < 10_000, `the last after ${sorted[99]} ms`)
  assert.ok(
    free.every((time) => time < sorted[99]!),
    `${free.join()} ms`,
  )
})
