import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction, type OnReadOpts, type Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { callbackify } from 'node:util'
import { LRUCache } from 'lru-cache'
import { buildConnector } from 'undici'
import { hostClass } from './address-class.ts'
import type { DialPolicy } from './dial-policy.ts'
import { isSuspiciousName } from './proxied-names.ts'
import type { ProxyFor } from './proxy-environment.ts'
import { tunnelTo } from './proxy-tunnel.ts'

export interface DialerOptions {
  /** Gives the authorities to trust. Undefined: Node's own. */
  readonly trust?: () => Promise<SecureContext | undefined>
  /** The certificates of `trusted` hosts are not verified. Those of other hosts are. */
  readonly insecure?: boolean
  /** Milliseconds from the name lookup to the connection, TLS included. */
  readonly connectTimeout: number
  /** Configured hosts, as `host:port`. They may be anywhere. */
  readonly trusted: ReadonlySet<string>
  /** Where other hosts may be. */
  readonly policy: DialPolicy
  /** Omitted: every connection is direct. */
  readonly proxyFor?: ProxyFor
  /** Replaces the system's name resolution. */
  readonly lookup?: LookupFunction
}

export type Target = buildConnector.Options

export interface Dialled {
  readonly socket: Socket
  /** It reads as `onread` says. */
  readonly isDirect: boolean
}

/** Connects. Addresses are checked when they are dialled, after DNS has answered. */
export type Dial = (target: Target, onread?: OnReadOpts) => Promise<Dialled>

/**
 * The address of a host is one where its upstream must not lead us. No packet was sent to it, or no request.
 */
class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
  readonly code = 'PRIVATE_ADDRESS'
}

/** Connects for undici. */
export function dialer(options: DialerOptions): buildConnector.connector {
  return connectorOf(dialing(options))
}

/** What undici takes to connect. */
export function connectorOf(dial: Dial): buildConnector.connector {
  // Its type does not say that it calls back with an error or a socket, and never with both.
  return callbackify(
    async (target: Target) => (await dial(target)).socket,
  ) as unknown as buildConnector.connector
}

export function dialing(options: DialerOptions): Dial {
  const { insecure, connectTimeout, trusted, policy, proxyFor, trust = async () => undefined } = options
  const lookup = options.lookup ?? (systemLookup as LookupFunction)
  const guarded = guardedLookup(lookup, policy)

  const connectorsFor = (secureContext: SecureContext | undefined) => {
    // HTTP/1.1 only: a blob has its connection, with its speed and its faults, to itself.
    const base = { allowH2: false, timeout: connectTimeout, ...(secureContext && { secureContext }) }
    return {
      secureContext,
      trusted: connecting({ ...base, lookup, ...(insecure && { rejectUnauthorized: false }) }),
      others: connecting({ ...base, lookup: guarded }),
    }
  }
  let connectors: ReturnType<typeof connectorsFor> | undefined

  return async (target, onread) => {
    const { hostname, protocol } = target
    const port = target.port || (protocol === 'https:' ? '443' : '80')
    const isTrusted = trusted.has(`${hostname}:${port}`)
    if (!isTrusted) refuseClass(policy, hostname)
    const secureContext = protocol === 'https:' ? await trust() : connectors?.secureContext
    if (connectors === undefined || connectors.secureContext !== secureContext) {
      connectors = connectorsFor(secureContext)
    }
    const connect = connectors[isTrusted ? 'trusted' : 'others']
    const proxy = proxyFor?.(target)
    if (proxy === undefined) {
      const socket = await connect(target, onread)
      if (!isTrusted) refuseOwnListener(policy, socket)
      return { socket, isDirect: onread !== undefined }
    }
    if (!isTrusted) await refuseProxiedName(hostname, options)
    const authority = `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`
    const httpSocket = await tunnelTo(authority, proxy, {
      timeout: connectTimeout,
      secureContext: await trust(),
    })
    // Node ignores `onread` for TLS over a socket that exists.
    const socket = protocol === 'https:' ? await connect({ ...target, httpSocket }) : httpSocket
    return { socket, isDirect: false }
  }
}

/** TLS sessions to resume. */
const SESSIONS = 100

/** undici's connector. One that reads as `onread` says is made for one connection, and shares the sessions. */
function connecting(
  options: buildConnector.BuildOptions,
): (target: Target, onread?: OnReadOpts) => Promise<Socket> {
  const shared = buildConnector(options)
  const sessions = new LRUCache<string, Buffer>({ max: SESSIONS })
  return (target, onread) => {
    const name = target.servername ?? target.hostname
    const session = sessions.get(name)
    const own = { ...options, onread, maxCachedSessions: 0, ...(session && { session }) }
    const connect = onread === undefined ? shared : buildConnector(own as buildConnector.BuildOptions)
    return new Promise((resolve, reject) => {
      connect(target, (error, socket) => {
        if (error !== null) return reject(error)
        if (onread !== undefined && socket instanceof TLSSocket) {
          socket.on('session', (session) => sessions.set(name, session))
        }
        resolve(socket)
      })
    })
  }
}

/** The name of a URL's host and port in `DialerOptions.trusted`. */
export function dialledAs(url: URL): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return `${url.hostname.replaceAll(/^\[|\]$/g, '')}:${port}`
}

/** A name with one refused address is refused as a whole: we do not choose which of them is dialled. */
function guardedLookup(lookup: LookupFunction, { allows }: DialPolicy): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const found = addresses as { address: string; family: number }[]
      if (!found.every(({ address }) => allows(address))) return callback(new PrivateAddressError(), '')
      return options.all ? callback(null, found) : callback(null, found[0]!.address, found[0]!.family)
    })
}

function refuseClass({ allowsClass }: DialPolicy, hostname: string): void {
  const found = hostClass(hostname)
  if (found !== undefined && !allowsClass(found)) throw new PrivateAddressError()
}

/** `localhost` and literal addresses do not pass a lookup of ours, so the connection itself is looked at. */
function refuseOwnListener({ isOwnListener }: DialPolicy, socket: Socket): void {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || !isOwnListener(remoteAddress, remotePort!)) return
  socket.destroy()
  throw new PrivateAddressError()
}

/** Milliseconds that the name of a host behind a proxy may take to resolve here. */
const LOOKUP_TIMEOUT = 1_000

/**
 * The proxy resolves the name, on its network. Where DNS answers here too, the addresses count; where it does
 * not, only the name can be judged.
 */
async function refuseProxiedName(hostname: string, { policy, lookup }: DialerOptions): Promise<void> {
  if (isIP(hostname) !== 0 || policy.allowsAllPrivate) return
  if (isSuspiciousName(hostname)) throw new PrivateAddressError()
  const addresses = await addressesOf(hostname, lookup ?? (systemLookup as LookupFunction))
  if (!addresses.every(policy.allows)) throw new PrivateAddressError()
}

/** Empty when DNS does not answer, or not in time. */
function addressesOf(hostname: string, lookup: LookupFunction): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LOOKUP_TIMEOUT, [])
    lookup(hostname, { all: true }, (error, found) => {
      clearTimeout(timer)
      resolve(error === null ? (found as { address: string }[]).map(({ address }) => address) : [])
    })
  })
}
