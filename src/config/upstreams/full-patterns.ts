import { patternWithin, writtenWithin } from '../../oci/image-pattern.ts'
import type { UpstreamEntry } from '../schema/upstream-schema.ts'

/**
 * Completes the patterns of repositories that an upstream has, as Docker does with names: they are those of other
 * sections but for the name of the upstream, which is implied where none is there.
 */
export function withFullPatterns(name: string, entry: UpstreamEntry): UpstreamEntry {
  return withPatterns(entry, (text) => patternWithin({ name, aliases: entry.aliases }, text))
}

/** The inverse, for a file that means the same. */
export function withWrittenPatterns(name: string, entry: UpstreamEntry): UpstreamEntry {
  return withPatterns(entry, (text) => writtenWithin({ name, aliases: entry.aliases }, text))
}

function withPatterns(entry: UpstreamEntry, made: (text: string) => string): UpstreamEntry {
  const withLogins = <T extends Pick<UpstreamEntry, 'credentials'>>(way: T): T => {
    if (!Array.isArray(way.credentials)) return way
    const logins = way.credentials.map(({ match, ...login }) => ({ match: made(match), ...login }))
    return { ...way, credentials: logins }
  }
  const { allow, deny, rewrite, endpoints } = entry
  const rules = rewrite?.map((rule) => Object.assign({}, rule, { from: made(rule.from), to: made(rule.to) }))
  return {
    ...withLogins(entry),
    ...(allow && { allow: allow.map(made) }),
    ...(deny && { deny: deny.map(made) }),
    ...(rules && { rewrite: rules }),
    ...(endpoints && {
      endpoints: endpoints.map((endpoint) =>
        typeof endpoint === 'string' ? endpoint : withLogins(endpoint),
      ),
    }),
  }
}
