import type { CidrList } from '../util/cidr.ts'

/**
 * The address of the client that sent a request. This is the address of the socket, unless a trusted proxy
 * sent the request. Then it is the rightmost address in X-Forwarded-For that is no trusted proxy: anybody may
 * have written what stands left of it (RFC 7239 section 8.1).
 */
export function clientAddress(
  socketAddress: string,
  forwardedFor: string | undefined,
  isTrustedProxy: CidrList,
): string {
  const hops = forwardedFor?.split(',') ?? []
  let client = socketAddress
  while (isTrustedProxy(client) && hops.length > 0) client = withoutPort(hops.pop()!.trim())
  return client
}

/** Some proxies add the port: `10.0.0.1:4711`, `[::1]:4711`. */
function withoutPort(hop: string): string {
  return /^(?:\[([^\]]*)\]|([\d.]+))(?::\d+)?$/.exec(hop)?.slice(1).find(Boolean) ?? hop
}
