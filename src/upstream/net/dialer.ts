import { lookup as dnsLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { createSecureContext, getCACertificates } from 'node:tls'
import { buildConnector } from 'undici'
import { type CidrList, cidrList } from '../../util/cidr.ts'
import type { ProxyFor } from './proxy-environment.ts'
import { tunnelTo } from './proxy-tunnel.ts'

export interface DialerOptions {
  /** PEM of an authority to trust besides the system's, which redirect targets may need. */
  readonly ca?: string
  /** Certificates of `trusted` hosts are not verified; those of all others are. */
  readonly insecure?: boolean
  /** Milliseconds from the look-up of the name until the connection, with TLS, is there. */
  readonly connectTimeout: number
  /** Hosts, as `host:port`, that may be dialled wherever they are. */
  readonly trusted: ReadonlySet<string>
  /** Other hosts, redirect targets and token realms, may have private addresses too. */
  readonly allowPrivate: boolean
  /**
   * Names that go through a proxy are resolved there: of those it is only seen whether they are addresses, or
   * this machine.
   */
  readonly proxyFor?: ProxyFor
  readonly lookup?: LookupFunction
}

/**
 * Refused before a packet was sent: an upstream must not make us reach into the network we stand in (SSRF).
 */
class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
  readonly code = 'PRIVATE_ADDRESS'
}

/** Connects for undici, and checks the address when it is about to be dialled, after DNS has spoken. */
export function dialer(options: DialerOptions): buildConnector.connector {
  const { ca, insecure, connectTimeout, trusted, allowPrivate, proxyFor } = options
  const lookup = options.lookup ?? (dnsLookup as LookupFunction)
  // HTTP/1.1 alone: a blob has a connection, its speed and its faults to itself.
  const base = {
    allowH2: false,
    timeout: connectTimeout,
    ...(ca !== undefined && {
      secureContext: createSecureContext({ ca: [...getCACertificates('default'), ca] }),
    }),
  }
  const own = buildConnector({ ...base, lookup, ...(insecure && { rejectUnauthorized: false }) })
  const anywhere = buildConnector({ ...base, lookup })
  const publicOnly = buildConnector({ ...base, lookup: guarded(lookup) })

  return (target, callback) => {
    const { hostname, protocol } = target
    const port = target.port || (protocol === 'https:' ? '443' : '80')
    const isTrusted = trusted.has(`${hostname}:${port}`)
    if (!isTrusted && !allowPrivate && isPrivateHost(target)) return callback(new PrivateAddressError(), null)
    const connect = isTrusted ? own : allowPrivate ? anywhere : publicOnly
    const proxy = proxyFor?.(target)
    if (proxy === undefined) return connect(target, callback)
    const authority = `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`
    tunnelTo(authority, proxy, connectTimeout, (error, socket) => {
      if (error !== null) callback(error, null)
      else if (protocol === 'https:') connect({ ...target, httpSocket: socket }, callback)
      else callback(null, socket)
    })
  }
}

/** How the dialer knows the host of a URL. */
export function dialledAs(url: URL): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return `${url.hostname.replaceAll(/^\[|\]$/g, '')}:${port}`
}

/**
 * A name with one private address among public ones is refused as a whole: which of them is dialled is not
 * ours to say.
 */
function guarded(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const found = addresses as { address: string; family: number }[]
      const refused = found.some(({ address }) => isPrivateAddress(address))
      if (refused) return callback(new PrivateAddressError(), '')
      return options.all ? callback(null, found) : callback(null, found[0]!.address, found[0]!.family)
    })
}

/**
 * Loopback, private, link-local (cloud metadata), shared, benchmark, multicast, unspecified, and what carries
 * an IPv4 address in another way than `::ffff:` (compatible, translated, NAT64, Teredo, 6to4): IANA
 * special-purpose registries.
 */
const PRIVATE = `
  0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.88.99.0/24 192.168.0.0/16
  198.18.0.0/15 224.0.0.0/4 240.0.0.0/4
  ::/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2002::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`

/** An IPv4-mapped IPv6 address counts as the IPv4 address it carries. */
export const isPrivateAddress: CidrList = cidrList(PRIVATE.trim().split(/\s+/))

/** The host of `url` is written as a private address, or is this machine. */
export function isPrivateHost({ hostname }: { readonly hostname: string }): boolean {
  const plain = hostname.replaceAll(/^\[|\]$/g, '')
  return isIP(plain) === 0 ? plain === 'localhost' || plain.endsWith('.localhost') : isPrivateAddress(plain)
}
