/** One challenge of a `WWW-Authenticate` header. Scheme and parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`
/** An unquoted value may be a URL, against the grammar: some realms are written so. */
const UNQUOTED = String.raw`[^\s,"]+`
/** `name=value`, or a scheme with an optional token68, after any commas. */
const PIECE = `[ \\t,]*(?:(${TOKEN})[ \\t]*=[ \\t]*(?:${QUOTED}|(${UNQUOTED}))|(${TOKEN})(?=[ \\t,]|$)(?:[ \\t]+[A-Za-z0-9._~+/-]+=*(?=[ \\t]*(?:,|$)))?)`

/**
 * Parses `WWW-Authenticate` (RFC 9110 section 11.6.1): several challenges in one value, commas and escapes in
 * quoted strings. Stops at the first text that breaks the grammar and returns the challenges before it.
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  const piece = new RegExp(PIECE, 'y')
  for (let match; (match = piece.exec(header ?? '')) !== null;) {
    const [, name, quoted, plain, scheme] = match
    if (scheme !== undefined) {
      challenges.push({
        scheme: scheme.toLowerCase(),
        parameters: Object.create(null) as Record<string, string>,
      })
    } else {
      const parameters = challenges.at(-1)?.parameters
      if (parameters === undefined || name === undefined) break
      // A repeated parameter breaks the grammar. The first one counts.
      parameters[name.toLowerCase()] ??= quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? ''
    }
  }
  return challenges
}
