import { getDomain } from 'tldts'

const PRIVATE_SECTION = { allowPrivateDomains: true }

/**
 * Whether a challenge of `upstream` may send us, and its credentials, to `realm` for a token (CVE-2026-33540): the upstream's
 * own authority, an https host of the same registrable domain, or what the operator lists in `tokenRealms`. By the public suffix
 * list, its private section too: neighbours at a hosting company are strangers. Addresses and single labels match themselves alone.
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
