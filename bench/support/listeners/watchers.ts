/**
 * Listeners of events: `watchers.ts PORT COUNT`. SIGUSR2 connects them, the next one disconnects them, and so on.
 * Prints how often that was done.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const [port, count] = process.argv.slice(2).map(Number)
// All read into the same memory, for they throw it away.
const buffer = Buffer.alloc(64 * 1024)
let sockets: readonly Socket[] = []
let turns = 0

/** Resolves with its first bytes. */
function listener(): Promise<Socket> {
  const { promise, resolve } = Promise.withResolvers<Socket>()
  const callback = (): boolean => {
    resolve(socket)
    return true
  }
  const socket = connect({ port: port!, host: '127.0.0.1', onread: { buffer, callback } }, () =>
    socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'),
  )
  return promise
}

async function toggle(): Promise<void> {
  if (sockets.length === 0) sockets = await Promise.all(Array.from({ length: count! }, listener))
  else {
    const closed = sockets.map((socket) => once(socket.destroy(), 'close'))
    sockets = []
    await Promise.all(closed)
  }
  turns += 1
  process.stdout.write(`turn ${turns}\n`)
}

process.on('SIGUSR2', () => void toggle())
process.stdout.write('ready\n')
// Without a connection nothing else keeps it running.
setInterval(() => undefined, 60_000)
