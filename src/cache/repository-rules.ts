import { glob } from '../util/glob.ts'

/** Patterns of the repositories of an upstream that clients may pull, as `util/glob.ts` reads them. */
export interface RepositoryRules {
  /** Omitted: every repository. */
  readonly allow?: readonly string[]
  /** Wins over `allow`. */
  readonly deny?: readonly string[]
}

/** @returns a function that names the rule that denies a repository; undefined = clients may pull it. */
export function repositoryRules({ allow, deny = [] }: RepositoryRules): (name: string) => string | undefined {
  const denied = deny.map(compile)
  const allowed = allow?.map(compile)
  return (name) => {
    const match = denied.find(({ matches }) => matches(name))
    if (match !== undefined) return `deny: ${match.pattern}`
    if (allowed === undefined || allowed.some(({ matches }) => matches(name))) return undefined
    return `allow: ${allow!.join(', ')}`
  }
}

function compile(pattern: string) {
  return { pattern, matches: glob(pattern) }
}
