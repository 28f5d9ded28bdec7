import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Relay extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Connections that were made so far. */
  readonly connections: number
  /** Where new connections lead: a port of 127.0.0.1. */
  target: number
  /** No byte passes any more over the connections that are open now, and nothing tells either side. */
  freeze(): void
  /** Ends the connections that are open now. */
  cut(): void
}

/** A TCP relay on 127.0.0.1, whose target may be set later. */
export async function relay(target = 0): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let connections = 0
  const server = createServer((client) => {
    connections += 1
    const upstream = connect(made.target, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const [one, other] of [pair, [upstream, client]] as const) {
      one
        .on('error', () => {})
        .once('close', () => {
          pairs.delete(pair)
          other.destroy()
        })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const made: Relay = {
    url: `http://127.0.0.1:${port}`,
    port,
    target,
    get connections() {
      return connections
    },
    freeze() {
      for (const [one, other] of pairs) {
        one.unpipe(other).pause()
        other.unpipe(one).pause()
      }
    },
    cut() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      made.cut()
      await closed
    },
  }
  return made
}
