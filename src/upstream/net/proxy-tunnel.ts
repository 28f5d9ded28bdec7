import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext } from 'node:tls'

/** The proxy fails, and not the host behind it. */
class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: string

  /** `why`: the status of the proxy, a code of the system, or a code of ours. */
  constructor(why: number | string) {
    super(`proxy: ${why}`)
    this.code = `PROXY_${why}`
  }
}

export interface TunnelOptions {
  /** Milliseconds. */
  readonly timeout: number
  /** The authorities that an https proxy may be certified by. */
  readonly secureContext: SecureContext | undefined
}

/** Bytes of a response to CONNECT, informational responses before it included. */
const MAX_HEAD = 16 * 1024

/**
 * Opens a connection to `authority` (`host:port`) through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6),
 * with the proxy's own credentials where its URL has some. http goes through a tunnel too, so that the proxy
 * does not see the request.
 *
 * Nobody speaks before us in a tunnel: bytes that come with the proxy's answer are refused (SEC-89).
 *
 * @throws ProxyError whose `code` begins with `PROXY_`
 */
export async function tunnelTo(authority: string, proxy: URL, options: TunnelOptions): Promise<Socket> {
  const socket = dialProxy(proxy, options)
  const failed = Promise.withResolvers<never>()
  const fail = (why: number | string): void => failed.reject(new ProxyError(why))
  const onError = ({ code }: NodeJS.ErrnoException): void => fail(code ?? 'ERROR')
  const onClose = (): void => fail('CLOSED')
  const timer = setTimeout(fail, options.timeout, 'TIMEOUT')
  socket.on('error', onError).once('close', onClose)
  try {
    socket.write(connectRequest(authority, proxy))
    const { status, rest } = await Promise.race([readHead(socket), failed.promise])
    if (status < 200 || status > 299) throw new ProxyError(status)
    if (rest > 0) throw new ProxyError('UNASKED_BYTES')
    socket.off('error', onError)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    socket.off('close', onClose)
  }
}

function dialProxy({ protocol, hostname, port }: URL, { secureContext }: TunnelOptions): Socket {
  const host = hostname.replaceAll(/^\[|\]$/g, '')
  if (protocol !== 'https:') return connectTcp({ host, port: Number(port || 80) })
  const servername = isIP(host) === 0 ? host : ''
  return connectTls({ host, port: Number(port || 443), servername, ...(secureContext && { secureContext }) })
}

function connectRequest(authority: string, proxy: URL): string {
  const login = loginOf(proxy)
  return [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    ...(login === undefined ? [] : [`Proxy-Authorization: Basic ${Buffer.from(login).toString('base64')}`]),
    '',
    '',
  ].join('\r\n')
}

/** `username:password`, or undefined where the URL has neither. */
function loginOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
}

interface Head {
  readonly status: number
  /** Bytes that came after it. */
  readonly rest: number
}

/** Reads the head of the final response, past informational ones such as 102. @throws ProxyError */
function readHead(socket: Socket): Promise<Head> {
  return new Promise((resolve, reject) => {
    let text = ''
    const read = (): void => {
      for (let chunk; (chunk = socket.read() as Buffer | null) !== null;) text += chunk.toString('latin1')
      try {
        const head = finalHead(text)
        if (head !== undefined) finish(() => resolve(head))
      } catch (error) {
        finish(() => reject(error as Error))
      }
    }
    const finish = (settle: () => void): void => {
      socket.off('readable', read)
      settle()
    }
    socket.on('readable', read)
  })
}

/** @returns undefined when more bytes are needed */
function finalHead(text: string): Head | undefined {
  for (let start = 0; ;) {
    const end = text.indexOf('\r\n\r\n', start)
    if (end < 0) {
      if (text.length > MAX_HEAD || !couldBegin(text.slice(start))) throw new ProxyError('MALFORMED')
      return undefined
    }
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?(?:\r\n|$)/.exec(text.slice(start, end))?.[1])
    if (Number.isNaN(status) || status === 101) throw new ProxyError('MALFORMED')
    start = end + 4
    if (status >= 200) return { status, rest: text.length - start }
  }
}

function couldBegin(text: string): boolean {
  return 'HTTP/1.'.startsWith(text.slice(0, 7))
}
