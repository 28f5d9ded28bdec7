/** Which repositories of an upstream may be pulled. `*` is any part of a name up to a slash, `**` any with them. */
export interface RepositoryRules {
  /** All where it is left out. */
  readonly allow?: readonly string[]
  /** Wins over `allow`. */
  readonly deny?: readonly string[]
}

/** @returns a function that names the rule that denies a repository; undefined = it may be pulled. */
export function repositoryRules({ allow, deny = [] }: RepositoryRules): (name: string) => string | undefined {
  const denied = deny.map(compile)
  const allowed = allow?.map(compile)
  return (name) => {
    const match = denied.find(({ expression }) => expression.test(name))
    if (match !== undefined) return `deny: ${match.pattern}`
    if (allowed === undefined || allowed.some(({ expression }) => expression.test(name))) return undefined
    return `allow: ${allow!.join(', ')}`
  }
}

function compile(pattern: string): { readonly pattern: string; readonly expression: RegExp } {
  const source = pattern
    .split(/(\*+)/)
    .map((piece) => (piece === '*' ? '[^/]*' : piece.startsWith('*') ? '.*' : RegExp.escape(piece)))
    .join('')
  return { pattern, expression: new RegExp(`^${source}$`) }
}
