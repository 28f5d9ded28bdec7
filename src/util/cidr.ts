import { BlockList, isIP } from 'node:net'

/** Reports whether an address lies in one of the networks of a list. False for text that is no IP address. */
export type CidrList = (address: string) => boolean

/**
 * A list of networks, each in CIDR notation (`10.0.0.0/8`, `2001:db8::/32`) or a single address.
 *
 * The list ignores the zone of an address (`fe80::1%eth0`). It checks an IPv4 address that is written as IPv6
 * (`::ffff:10.0.0.1`) as the IPv4 address it is.
 *
 * @throws TypeError naming the first text that is no network
 */
export function cidrList(networks: readonly string[]): CidrList {
  const list = new BlockList()
  for (const text of networks) {
    const cidr = parseCidr(text)
    if (cidr === undefined) throw new TypeError(`not a network in CIDR notation: ${text}`)
    list.addSubnet(cidr.address, cidr.bits, cidr.family)
  }
  return (address) => {
    const zone = address.indexOf('%')
    const plain = zone < 0 ? address : address.slice(0, zone)
    const version = isIP(plain)
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

export interface Cidr {
  readonly address: string
  /** The length of the prefix. */
  readonly bits: number
  readonly family: 'ipv4' | 'ipv6'
}

const CIDR = /^([\d.]+|[\dA-Fa-f:.]+)(?:\/(\d{1,3}))?$/

/** Parses a network or a single address without a zone. Returns undefined for all other text. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address = '', prefix] = CIDR.exec(text) ?? []
  const version = isIP(address)
  if (version === 0) return undefined
  const width = version === 4 ? 32 : 128
  const bits = prefix === undefined ? width : Number(prefix)
  return bits > width ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** The networks of this machine's own addresses. */
export const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1']
