import { parse } from 'tldts'
import { addressClass } from './address-class.ts'

/**
 * Domains of public services that resolve names to the address that is written in them, or to this machine.
 * `nip.io` and the like; the list can only be incomplete.
 */
const WILDCARD_DNS = new Set(
  [
    'nip.io sslip.io xip.io traefik.me backname.io localtest.me lvh.me vcap.me lacolhost.com local.gd',
    'localho.st lcl.host 1u.ms rbndr.us 127-0-0-1.org.uk',
  ].flatMap((names) => names.split(' ')),
)
/** Names of metadata services of clouds, in whatever domain: `metadata.google.internal`, `metadata.goog`. */
const METADATA = new Set(['metadata', 'instance-data'])

/**
 * Whether a name that only a proxy resolves may stand for a machine on the proxy's own network (SEC-93):
 * names outside of the public DNS (`localhost.localdomain`, `metadata.google.internal`, single labels),
 * metadata services, and public services that resolve to any address.
 */
export function isSuspiciousName(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '')
  const { isIcann, domain } = parse(name, { validateHostname: false })
  if (isIcann !== true || domain === null) return true
  const labels = name.split('.')
  if (METADATA.has(labels[0]!) || labels.includes('localhost')) return true
  return WILDCARD_DNS.has(domain) || carriesPrivateAddress(name)
}

/** `10.0.0.1.example.com`, `169-254-169-254.example.com` */
function carriesPrivateAddress(name: string): boolean {
  const found = name.matchAll(/(?<!\d)(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})(?!\d)/g)
  return [...found].some(([, ...parts]) => addressClass(parts.map(Number).join('.')) !== 'public')
}
