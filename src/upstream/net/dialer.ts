import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { callbackify } from 'node:util'
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

type Target = buildConnector.Options

/**
 * The address of a host is one where its upstream must not lead us. No packet was sent to it, or no request.
 */
class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
  readonly code = 'PRIVATE_ADDRESS'
}

/** Connects for undici. Addresses are checked when they are dialled, after DNS has answered. */
export function dialer(options: DialerOptions): buildConnector.connector {
  const { insecure, connectTimeout, trusted, policy, proxyFor, trust = async () => undefined } = options
  const lookup = options.lookup ?? (systemLookup as LookupFunction)
  const guarded = guardedLookup(lookup, policy)

  const connectorsFor = (secureContext: SecureContext | undefined) => {
    // HTTP/1.1 only: a blob has its connection, with its speed and its faults, to itself.
    const base = { allowH2: false, timeout: connectTimeout, ...(secureContext && { secureContext }) }
    return {
      secureContext,
      trusted: buildConnector({ ...base, lookup, ...(insecure && { rejectUnauthorized: false }) }),
      others: buildConnector({ ...base, lookup: guarded }),
    }
  }
  let connectors: ReturnType<typeof connectorsFor> | undefined

  const dial = async (target: Target): Promise<Socket> => {
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
      const socket = await connected(connect, target)
      if (!isTrusted) refuseOwnListener(policy, socket)
      return socket
    }
    if (!isTrusted) await refuseProxiedName(hostname, options)
    const authority = `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`
    const httpSocket = await tunnelTo(authority, proxy, {
      timeout: connectTimeout,
      secureContext: await trust(),
    })
    return protocol === 'https:' ? connected(connect, { ...target, httpSocket }) : httpSocket
  }

  // Its type does not say that it calls back with an error or a socket, and never with both.
  return callbackify(dial) as unknown as buildConnector.connector
}

function connected(connect: buildConnector.connector, target: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connect(target, (error, socket) => (error === null ? resolve(socket) : reject(error)))
  })
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
