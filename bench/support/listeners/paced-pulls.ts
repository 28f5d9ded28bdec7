import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface PacedPullsOptions {
  readonly url: string
  readonly connections: number
  /** Milliseconds that a connection waits before a request at most: as many as it happens. */
  readonly longestPause: number
}

/** Pulls over connections that stay: those of a program that is started for each bout would be its slowest ones. */
export interface PacedPulls extends Disposable {
  /** The answer times of all pulls that end within these seconds, in milliseconds. */
  during(seconds: number): Promise<readonly number[]>
}

/** An answer that is no success, or a connection that ends, ends the process. */
export async function pacedPulls({ url, connections, longestPause }: PacedPullsOptions): Promise<PacedPulls> {
  const { hostname, port, host, pathname } = new URL(url)
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const sockets: Socket[] = []
  let times: number[] = []

  for (let i = 0; i < connections; i++) {
    const buffer = Buffer.alloc(64 * 1024)
    let began = 0
    let missing = 0
    const ask = (): void => {
      began = performance.now()
      socket.write(request)
    }
    const callback = (length: number): boolean => {
      const size = missing > 0 ? missing : sizeOfAnswer(buffer.toString('latin1', 0, length))
      missing = size - length
      if (missing > 0) return true
      times.push(performance.now() - began)
      setTimeout(ask, Math.random() * (longestPause + 1))
      return true
    }
    const socket = connect({ port: Number(port), host: hostname, onread: { buffer, callback } })
    sockets.push(socket)
    await once(socket, 'connect')
    ask()
  }

  return {
    async during(seconds) {
      times = []
      await sleep(seconds * 1000)
      return times
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** In bytes, of the answer that begins with this text. Its head has come whole. */
function sizeOfAnswer(text: string): number {
  const head = text.indexOf('\r\n\r\n') + 4
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head)) ?? []
  if (!text.startsWith('HTTP/1.1 200 ') || length === undefined) throw new Error(`no success: ${text}`)
  return head + Number(length)
}
