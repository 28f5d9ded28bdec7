/** Listeners of events, in a process of their own: reads until it is killed. Prints when all are connected. */
import { connect } from 'node:net'

const [port, count] = process.argv.slice(2).map(Number)
let connected = 0
for (let i = 0; i < count!; i++) {
  const socket = connect(port!, '127.0.0.1', () =>
    socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'),
  )
  socket.once('data', () => {
    connected += 1
    if (connected === count) process.stdout.write(`${JSON.stringify({ connected })}\n`)
  })
  socket.resume()
}
