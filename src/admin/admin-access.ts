import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { isIP } from 'node:net'

export interface AdminAccessOptions {
  /** Reports whether an address is this machine's own. */
  readonly isLocal: (address: string) => boolean
  /** Reports whether an address may read. Without it, every address may. */
  readonly isServed?: (address: string) => boolean
  /** The names of this listener, in lower case. */
  readonly hosts: readonly string[]
  /** The current token. Where there is one, whoever writes needs it. */
  readonly token: () => string | undefined
  /** Told of a client that may not write. */
  readonly refused?: (incoming: IncomingMessage) => void
}

/**
 * Guards the admin listener. This machine and the configured networks may read. Whoever has the token may
 * write; where none is configured, this machine may. A browser on an admitted machine is refused when the
 * page of another site directs it: by a name that was made to resolve to this machine (DNS rebinding), or by
 * a cross-site request. Health and metrics tell no secrets, and probes and Prometheus ask by whatever name:
 * they have any.
 */
export function adminAccess(options: AdminAccessOptions): (listener: RequestListener) => RequestListener {
  return (listener) => (incoming, outgoing) => {
    for (const [name, value] of SANDBOX) outgoing.setHeader(name, value)
    const refusal = refusalOf(incoming, options)
    if (refusal === undefined) return listener(incoming, outgoing)
    const [status, error] = refusal
    if (status === 401) options.refused?.(incoming)
    const body = JSON.stringify({ error })
    outgoing.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      // The refused request may have a body, which is not read.
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
    return [403, 'client address not in admin.access.networks']
  if (!isForProbes(incoming) && !isOwnName(headers.host, hosts))
    return [421, 'Host is neither an IP address nor localhost nor listed in admin.hosts']
  const isRead = method === 'GET' || method === 'HEAD'
  if (isRead && !isExport(incoming)) return undefined
  const { origin, 'sec-fetch-site': site = 'none', 'content-type': type = '' } = headers
  if (
    !['none', 'same-origin'].includes(String(site)) ||
    (origin !== undefined && !isSameOrigin(origin, headers.host))
  )
    return [403, 'cross-site request refused']
  if (!isRead && !hasType(incoming, type))
    return [415, 'Content-Type must be application/json, or application/x-tar for an import']
  const secret = token()
  if (secret !== undefined)
    return hasToken(headers.authorization, secret) ? undefined : [401, 'admin.token required']
  // A reverse proxy on this machine sends requests of other machines too.
  return isLocal(address) && !FORWARDED.some((name) => headers[name] !== undefined)
    ? undefined
    : [403, 'only this machine may write: no admin.token is configured']
}

const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

/** What is served is no page of this origin: a browser runs nothing in it, and guesses no type. */
const SANDBOX = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "sandbox; default-src 'none'; frame-ancestors 'none'"],
] as const

/**
 * An archive has the content of images, which takes the right that writing takes. The path is read as the
 * router reads it: decoded and normalised. What cannot be read takes the right.
 */
function isExport({ url = '' }: IncomingMessage): boolean {
  const path = URL.parse(url, 'http://localhost')?.pathname
  if (path === undefined) return true
  try {
    return /^\/api\/v1\/export(?:\/|$)/.test(decodeURIComponent(path))
  } catch (error) {
    if (error instanceof URIError) return true
    throw error
  }
}

/** A type that no page of another site can send without being asked first. */
function hasType({ url = '' }: IncomingMessage, type: string): boolean {
  if (/^\/api\/v1\/import(?:\?|$)/.test(url)) return /^application\/(?:x-tar|zstd|gzip) *(?:;|$)/i.test(type)
  return /^application\/json *(?:;|$)/i.test(type)
}

function isForProbes({ method, url = '' }: IncomingMessage): boolean {
  return (method === 'GET' || method === 'HEAD') && /^\/(?:healthz|readyz|metrics)(?:\?|$)/.test(url)
}

function isOwnName(host: string | undefined, hosts: readonly string[]): boolean {
  const name = (host ?? '')
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
  return name !== '' && (isIP(name) !== 0 || name === 'localhost' || hosts.includes(name))
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  return origin.replace(/^https?:\/\//, '').toLowerCase() === host?.toLowerCase()
}

/** Compares in a time that does not depend on how many characters match. */
function hasToken(authorization: string | undefined, secret: string): boolean {
  const [, given] = /^bearer +([!-~]+) *$/i.exec(authorization ?? '') ?? []
  return given !== undefined && timingSafeEqual(hash(given), hash(secret))
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
