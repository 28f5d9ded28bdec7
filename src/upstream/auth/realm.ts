import { getDomain } from 'tldts'
import { type AddressClass, hostClass } from '../net/address-class.ts'

const PRIVATE_SECTION = { allowPrivateDomains: true }

/**
 * Reports whether a challenge of `upstream` may send us, and our credentials, to `realm` for a token
 * (CVE-2026-33540).
 *
 * Allowed are the upstream's own authority, https hosts of the same registrable domain, and what the operator
 * lists in `tokenRealms`. Domains follow the public suffix list with its private section: neighbours at a
 * hosting company are strangers. Addresses and single labels match only themselves.
 */
export function realmAllowed(upstream: URL, realm: URL, tokenRealms: readonly string[]): boolean {
  if (realm.username !== '' || realm.password !== '') return false
  if (
    realm.origin === upstream.origin ||
    tokenRealms.some((listed) => new URL(listed).origin === realm.origin)
  ) {
    return realm.protocol === 'https:' || realm.protocol === 'http:'
  }
  if (realm.protocol !== 'https:' || realm.port !== '') return false
  const domain = getDomain(upstream.hostname, PRIVATE_SECTION)
  return domain !== null && domain === getDomain(realm.hostname, PRIVATE_SECTION)
}

/**
 * Reports whether `realm` may be asked for an anonymous token, which tells it nothing but the name of a
 * repository: any public https host, or one of the upstream's own scheme and kind of address. What a name
 * resolves to is checked when it is dialled.
 */
export function anonymousRealmAllowed(upstream: URL, realm: URL): boolean {
  if (realm.username !== '' || realm.password !== '') return false
  const reach = reachOf(realm)
  if (realm.protocol === 'https:' && reach === 'public') return true
  return realm.protocol === upstream.protocol && reach === reachOf(upstream)
}

function reachOf({ hostname }: URL): AddressClass {
  return hostClass(hostname) ?? 'public'
}
