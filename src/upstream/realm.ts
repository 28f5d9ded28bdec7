import { isIP } from 'node:net'

/**
 * Whether a challenge of `upstream` may send us, and its credentials, to `realm` for a token (CVE-2026-33540): the upstream's
 * own authority, an https host of the same registrable domain, or what the operator lists in `tokenRealms`.
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
  const domain = registrableDomain(upstream.hostname)
  return domain !== undefined && domain === registrableDomain(realm.hostname)
}

/**
 * The last two labels; three where those look like a public suffix (`co.uk`, `com.au`). undefined for addresses and for names
 * that have no more than the suffix: those match nothing but themselves.
 */
function registrableDomain(hostname: string): string | undefined {
  if (hostname.startsWith('[') || isIP(hostname) !== 0) return undefined
  const labels = hostname.replace(/\.$/, '').split('.')
  const [second = '', top = ''] = labels.slice(-2)
  const length = top.length === 2 && second.length <= 3 ? 3 : 2
  return labels.length < length ? undefined : labels.slice(-length).join('.')
}
