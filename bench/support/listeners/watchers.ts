/** Listeners of events, in a process of their own: reads until it is killed. Prints when all are connected. */
import { connect } from 'node:net'

const [port, count] = process.argv.slice(2).map(Number)
let connected = 0
const buffer = Buffer.alloc(64 * 1024)
for (let i = 0; i < count!; i++) {
  let isConnected = false
  const callback = (): boolean => {
    if (!isConnected) connected += 1
    if (!isConnected && connected === count) process.stdout.write(`${JSON.stringify({ connected })}\n`)
    isConnected = true
    return true
  }
  // All read into the same memory, for they throw it away.
  const socket = connect({ port: port!, host: '127.0.0.1', onread: { buffer, callback } }, () =>
    socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'),
  )
}
