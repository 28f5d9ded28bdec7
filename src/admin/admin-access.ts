import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { isIP } from 'node:net'

export interface AdminAccessOptions {
  /** Whether an address is the machine's own. */
  readonly isLocal: (address: string) => boolean
  /** Whether those at an address may read; all may without it. */
  readonly isServed?: (address: string) => boolean
  /** Names that the listener is reached by, in lower case. */
  readonly hosts: readonly string[]
  /** With which others than the machine itself may write, as it is now. */
  readonly token: () => string | undefined
}

/**
 * Lets requests to the admin listener through, or refuses them. Reading is for the machine itself and the configured networks;
 * writing for the machine itself and those who know the token. A browser on such a machine is none of them when it does what the
 * page of somebody else wants: by a name made to point here (DNS rebinding), or by a request from another site.
 */
export function adminAccess(options: AdminAccessOptions): (listener: RequestListener) => RequestListener {
  return (listener) => (incoming, outgoing) => {
    const refusal = refusalOf(incoming, options)
    if (refusal === undefined) return listener(incoming, outgoing)
    const [status, error] = refusal
    const body = JSON.stringify({ error })
    outgoing.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      // What is refused may have a body, which nobody reads.
      Connection: 'close',
      ...(status === 401 && { 'WWW-Authenticate': 'Bearer realm="entrepot admin"' }),
    })
    outgoing.end(incoming.method === 'HEAD' ? undefined : body)
  }
}

type Refusal = readonly [status: 401 | 403 | 415 | 421, error: string]

function refusalOf(incoming: IncomingMessage, options: AdminAccessOptions): Refusal | undefined {
  const { isLocal, isServed, hosts, token } = options
  const { method, headers, socket } = incoming
  const { remoteAddress: address = '' } = socket
  if (isServed && !isServed(address) && !isLocal(address))
    return [403, 'your address is not in admin.access.networks']
  if (!isOurs(headers.host, hosts)) return [421, 'the Host is no address, and no name of admin.hosts']
  if (method === 'GET' || method === 'HEAD') return undefined
  const { origin, 'sec-fetch-site': site = 'none', 'content-type': type = '' } = headers
  if (
    !['none', 'same-origin'].includes(String(site)) ||
    (origin !== undefined && !isSame(origin, headers.host))
  )
    return [403, 'not from the page of another site']
  if (!/^application\/json *(?:;|$)/i.test(type)) return [415, 'the content must be application/json']
  // A proxy on this machine may ask for anybody.
  if (isLocal(address) && !FORWARDED.some((name) => headers[name] !== undefined)) return undefined
  const secret = token()
  if (secret === undefined) return [403, 'from this machine only: there is no admin.token']
  return bears(headers.authorization, secret) ? undefined : [401, 'this needs the admin.token']
}

const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

/** Names without a dot, and of these domains, nobody can register (RFC 6761, RFC 6762, ICANN resolution 2024.07.29.06). */
const UNREGISTRABLE = /^[^.]+$|\.(?:local|localhost|internal)$/

function isOurs(host: string | undefined, hosts: readonly string[]): boolean {
  const name = (host ?? '')
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
  return name !== '' && (isIP(name) !== 0 || UNREGISTRABLE.test(name) || hosts.includes(name))
}

function isSame(origin: string, host: string | undefined): boolean {
  return origin.replace(/^https?:\/\//, '').toLowerCase() === host?.toLowerCase()
}

/** Compares in a time that does not depend on how much of it is right. */
function bears(authorization: string | undefined, secret: string): boolean {
  const [, given] = /^bearer +([!-~]+) *$/i.exec(authorization ?? '') ?? []
  return given !== undefined && timingSafeEqual(hash(given), hash(secret))
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
