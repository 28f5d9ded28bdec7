import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface FakeProxy extends AsyncDisposable {
  readonly url: string
  readonly authority: string
  /** What it was asked to connect to, by whom. */
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[]
  /** Other requests than CONNECT. */
  readonly others: IncomingHttpHeaders[]
  /** Instead of connecting: this status, or no answer at all. */
  refusal: number | 'silence' | undefined
}

/**
 * An HTTP proxy on 127.0.0.1 to which every host is this machine: it connects to the port it is asked for, or
 * to that of `portOf`.
 */
export async function fakeProxy(portOf: (target: string) => number = portIn): Promise<FakeProxy> {
  const asked: FakeProxy['asked'] = []
  const others: IncomingHttpHeaders[] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    return socket
  }
  const server = createServer((request, response) => {
    others.push(request.headers)
    response.writeHead(405).end()
  })
  server.on('connection', keep)
  server.on('connect', ({ url = '', headers }, client: Socket) => {
    asked.push({ target: url, authorization: headers['proxy-authorization'] })
    if (proxy.refusal === 'silence') return
    if (proxy.refusal !== undefined) return void client.end(`HTTP/1.1 ${proxy.refusal} No\r\n\r\n`)
    const target = keep(connect(portOf(url), '127.0.0.1'))
    target.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(target).pipe(client)
    })
    target.once('close', () => client.destroy())
    client.once('close', () => target.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy: FakeProxy = {
    url: `http://${authority}`,
    authority,
    asked,
    others,
    refusal: undefined,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
  return proxy
}

function portIn(target: string): number {
  return Number(target.slice(target.lastIndexOf(':') + 1))
}
