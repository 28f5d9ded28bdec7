import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const FIXTURE = fileURLToPath(new URL('burst-fixture.ts', import.meta.url))
/** The most that the kernel lets a listener ask for. */
const SOMAXCONN = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
const CLIENTS = Math.min(2000, SOMAXCONN)
const REQUEST = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

/** A stopped process is the busiest event loop there is: whoever connects now was accepted by the kernel. */
test(`${CLIENTS} connections in one instant beside a busy event loop are all answered`, async () => {
  const server = spawn(process.execPath, [FIXTURE], { stdio: ['ignore', 'pipe', 'inherit'] })
  const sockets: Socket[] = []
  try {
    const [line] = (await once(server.stdout, 'data')) as [Buffer]
    const port = Number(line.toString())
    server.kill('SIGSTOP')
    const clients = Array.from({ length: CLIENTS }, () => connect({ port, host: '127.0.0.1' }))
    sockets.push(...clients)
    await Promise.all(
      clients.map((socket) => once(socket, 'connect', { signal: AbortSignal.timeout(60_000) })),
    )
    const answers = clients.map((socket) => socket.end(REQUEST).toArray())
    server.kill('SIGCONT')
    for (const chunks of await Promise.all(answers)) {
      assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 200 OK\r\n/)
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    server.kill('SIGKILL')
    await once(server, 'close')
  }
})
