import { isIP } from 'node:net'
import { type CidrList, cidrList } from '../../util/cidr.ts'

/** What an address is for, by IANA's registries of special-purpose addresses. */
export type AddressClass = 'public' | 'loopback' | 'link-local' | 'private' | 'shared' | 'special'

/** Cloud metadata services are link-local. */
const LINK_LOCAL = '169.254.0.0/16 fe80::/10'
const LOOPBACK = '127.0.0.0/8 ::1'
const PRIVATE = '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7'
/** Carrier-grade NAT. Clouds and overlay networks use it too. */
const SHARED = '100.64.0.0/10'
/**
 * Unspecified, benchmark, multicast and reserved addresses, and those that carry an IPv4 address in another
 * way than `::ffff:` (compatible, translated, NAT64, Teredo, 6to4).
 */
const SPECIAL = `
  0.0.0.0/8 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4 ::/96 ::ffff:0:0:0/96
  64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2002::/16 fec0::/10 ff00::/8`

const listOf = (networks: string): CidrList => cidrList(networks.trim().split(/\s+/))
const CLASSES: readonly (readonly [AddressClass, CidrList])[] = [
  ['loopback', listOf(LOOPBACK)],
  ['link-local', listOf(LINK_LOCAL)],
  ['private', listOf(PRIVATE)],
  ['shared', listOf(SHARED)],
  ['special', listOf(SPECIAL)],
]

/** The class of an IP address. An IPv4-mapped IPv6 address has the class of the IPv4 address it carries. */
export function addressClass(address: string): AddressClass {
  return CLASSES.find(([, includes]) => includes(address))?.[0] ?? 'public'
}

/**
 * The class of a host that is written as an address, or is this machine by name. Undefined for other names.
 */
export function hostClass(hostname: string): AddressClass | undefined {
  const plain = hostname.replaceAll(/^\[|\]$/g, '')
  if (isIP(plain) !== 0) return addressClass(plain)
  return /(?:^|\.)localhost\.?$/i.test(plain) ? 'loopback' : undefined
}
