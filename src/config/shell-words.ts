import type { Issues, KeyPath } from './issues.ts'

const WORDS = [
  [/^\$[A-Z_][A-Z\d_]*$/, 'a variable of the environment is ${NAME}'],
  [/^~(?:\/|$)/, 'write the home folder out'],
] as const

/**
 * A line for each value that a shell would replace, `$NAME` or `~/…`. It is what it says here, and no mistake: a
 * password may be like that. It is not shown.
 */
export function shellWords(tree: unknown, issues: Issues, path: KeyPath = []): readonly string[] {
  if (typeof tree === 'string') {
    const [, what] = WORDS.find(([pattern]) => pattern.test(tree)) ?? []
    return what === undefined ? [] : [issues.key(path, `is taken as it is written: ${what}`).message]
  }
  if (typeof tree !== 'object' || tree === null) return []
  return Object.entries(tree).flatMap(([key, value]) =>
    shellWords(value, issues, [...path, Array.isArray(tree) ? Number(key) : key]),
  )
}
