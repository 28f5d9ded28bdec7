import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'

/** The proxy on the way, and not who is behind it, is what fails. */
class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: string

  /** `why`: the proxy's status, or a code of the system. */
  constructor(why: number | string) {
    super(`proxy: ${why}`)
    this.code = `PROXY_${why}`
  }
}

/**
 * Calls back with a connection to `authority` (`host:port`) through an HTTP proxy: CONNECT (RFC 9110 section
 * 9.3.6), with the proxy's own credentials where its URL has some. Also for http, so that the proxy sees
 * nothing of what is asked. Otherwise with an error whose `code` begins with `PROXY_`.
 */
export function tunnelTo(
  authority: string,
  proxy: URL,
  timeout: number,
  callback: (...outcome: [null, Socket] | [Error, null]) => void,
): void {
  const { protocol, hostname, port } = proxy
  const login = loginOf(proxy)
  const { request } = protocol === 'https:' ? https : http
  const connecting = request({
    host: hostname.replaceAll(/^\[|\]$/g, ''),
    port: port || (protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: authority,
    headers: {
      host: authority,
      ...(login && { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }),
    },
    agent: false,
  })
  const timer = setTimeout(() => connecting.destroy(new ProxyError('TIMEOUT')), timeout)
  connecting.once('connect', ({ statusCode = 0 }, socket: Socket, head: Buffer) => {
    clearTimeout(timer)
    if (statusCode === 200) {
      if (head.length > 0) socket.unshift(head)
      callback(null, socket)
    } else {
      socket.destroy()
      callback(new ProxyError(statusCode), null)
    }
  })
  connecting.once('error', (error: NodeJS.ErrnoException) => {
    clearTimeout(timer)
    callback(error instanceof ProxyError ? error : new ProxyError(error.code ?? 'ERROR'), null)
  })
  connecting.end()
}

/** `username:password`; undefined where the URL has neither. */
function loginOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
}
