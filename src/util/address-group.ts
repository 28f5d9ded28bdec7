import { isIPv6 } from 'node:net'

/**
 * What stands for one client when attempts are counted: an IPv4 address, or the /64 of an IPv6 address, of
 * which a single machine has every address. An IPv4 address written as IPv6 is the IPv4 address.
 */
export function addressGroup(address: string): string {
  const plain = address.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped !== undefined || !isIPv6(plain)) return mapped ?? address
  // The URL parser writes it in one way, without an embedded IPv4 address.
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')]
  const zeros = Array<string>(8 - first.length - last.length).fill('0')
  return `${[...first, ...zeros, ...last].slice(0, 4).join(':')}::/64`
}

function groupsOf(text: string): readonly string[] {
  return text.split(':').filter(Boolean)
}
