import { BlockList, isIP, isIPv4 } from 'node:net'

/** Whether an address is in one of some networks. False for what is no address. */
export type Networks = (address: string) => boolean

/** @param cidrs `10.0.0.0/8`, `2001:db8::/32`, or an address alone */
export function networks(cidrs: readonly string[]): Networks {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    list.addSubnet(address, bits === undefined ? (family === 'ipv4' ? 32 : 128) : Number(bits), family)
  }
  return (address) => {
    const plain = address.replace(/%.*$/s, '')
    const version = isIP(plain)
    // An IPv4 address that is written as IPv6 is checked as what it is.
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/** The machine itself. */
export const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1']

/**
 * Whose request it is: that of the socket's other end, unless this is a proxy that is trusted to say for whom it asks. Then the
 * right-most address that is no such proxy: what stands left of it anybody may have written (RFC 7239 section 8.1).
 */
export function clientAddress(
  address: string,
  forwardedFor: string | undefined,
  isTrusted: Networks,
): string {
  const hops = forwardedFor?.split(',') ?? []
  let client = address
  while (isTrusted(client) && hops.length > 0) client = withoutPort(hops.pop()!.trim())
  return client
}

/** Some proxies tell the port too: `10.0.0.1:4711`, `[::1]:4711`. */
function withoutPort(hop: string): string {
  return /^(?:\[([^\]]*)\]|([\d.]+))(?::\d+)?$/.exec(hop)?.slice(1).find(Boolean) ?? hop
}
