import { patternWithin } from '../../oci/image-pattern.ts'
import type { UpstreamEntry } from '../schema/upstream-schema.ts'

/**
 * Completes the patterns of repositories that an upstream has, as Docker does with names: they are those of other
 * sections but for the name of the upstream, which is implied.
 */
export function withFullPatterns(upstream: string, entry: UpstreamEntry): UpstreamEntry {
  const full = (text: string): string => patternWithin(upstream, text)
  const withFullLogins = <T extends Pick<UpstreamEntry, 'credentials'>>(way: T): T => {
    if (!Array.isArray(way.credentials)) return way
    const logins = way.credentials.map(({ match, ...login }) => ({ match: full(match), ...login }))
    return { ...way, credentials: logins }
  }
  const { allow, deny, rewrite, endpoints } = entry
  const rules = rewrite?.map((rule) => Object.assign({}, rule, { from: full(rule.from), to: full(rule.to) }))
  return {
    ...withFullLogins(entry),
    ...(allow && { allow: allow.map(full) }),
    ...(deny && { deny: deny.map(full) }),
    ...(rules && { rewrite: rules }),
    ...(endpoints && {
      endpoints: endpoints.map((endpoint) =>
        typeof endpoint === 'string' ? endpoint : withFullLogins(endpoint),
      ),
    }),
  }
}
