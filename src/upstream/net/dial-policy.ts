import { networkInterfaces } from 'node:os'
import { addressClass, type AddressClass, hostClass } from './address-class.ts'

export interface DialPolicyOptions {
  /** The upstream's own URL. */
  readonly url: URL
  /**
   * Whether redirects may lead to private addresses. Undefined: to those of the class of `url`, if that is
   * one.
   */
  readonly allowPrivate: boolean | undefined
  /** The ports that this process listens on. */
  readonly ownPorts: () => Iterable<number>
}

/**
 * Where hosts may be that an upstream leads to: redirect targets, and token realms that are not configured.
 */
export interface DialPolicy {
  readonly allowsAllPrivate: boolean
  allows(address: string): boolean
  allowsClass(found: AddressClass): boolean
  /** Whether this is a listener of our own, such as the admin API. */
  isOwnListener(address: string, port: number): boolean
}

/** Classes that a private upstream URL implies for its redirects. */
const IMPLIED = new Set<AddressClass | undefined>(['loopback', 'private', 'shared'])

/**
 * Keeps an upstream from making this proxy reach into the network it stands in (SSRF). Link-local addresses,
 * where clouds have their metadata services, are never allowed.
 */
export function dialPolicy({ url, allowPrivate, ownPorts }: DialPolicyOptions): DialPolicy {
  const own = hostClass(url.hostname)
  const implied = allowPrivate === undefined && IMPLIED.has(own) ? own : undefined
  const allowsClass = (found: AddressClass): boolean =>
    found === 'public' || found === implied || (allowPrivate === true && found !== 'link-local')

  return {
    allowsAllPrivate: allowPrivate === true,
    allowsClass,
    allows: (address) => allowsClass(addressClass(address)),
    isOwnListener: (address, port) => new Set(ownPorts()).has(port) && isThisMachine(address),
  }
}

function isThisMachine(address: string): boolean {
  const plain = address.replace(/^::ffff:/i, '')
  if (addressClass(plain) === 'loopback') return true
  return Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === plain))
}
