import type { Issues, KeyPath } from './issues.ts'

/**
 * A line for each value that is `$NAME`, as shells write a variable. It is what it says here, and no mistake: a
 * password may be like that. It is not shown.
 */
export function unbracedVariables(tree: unknown, issues: Issues, path: KeyPath = []): readonly string[] {
  if (typeof tree === 'string') {
    if (!/^\$[A-Z_][A-Z\d_]*$/.test(tree)) return []
    return [issues.key(path, 'is taken as it is written: a variable of the environment is ${NAME}').message]
  }
  if (typeof tree !== 'object' || tree === null) return []
  return Object.entries(tree).flatMap(([key, value]) =>
    unbracedVariables(value, issues, [...path, Array.isArray(tree) ? Number(key) : key]),
  )
}
