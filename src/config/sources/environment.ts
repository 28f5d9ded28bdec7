import type { Issues, KeyPath } from '../issues.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * A copy of `tree` with `${NAME}` replaced in every string that is a value; `$${` stands for a literal `${`.
 * A variable that is not set is an issue, and stays as it is. A value that itself comes from the environment
 * is literal.
 */
export function expand(
  tree: unknown,
  env: Environment,
  issues: Issues,
  isLiteral: (path: KeyPath) => boolean = () => false,
): unknown {
  return mapStrings(tree, (text, path) => {
    if (isLiteral(path)) return text
    return text.replaceAll(/\$\$\{|\$\{([^}]*)\}?/g, (reference, name: string | undefined) => {
      if (name === undefined) return '${'
      const isWellFormed = /^[A-Za-z_]\w*$/.test(name) && reference.endsWith('}')
      const value = isWellFormed && Object.hasOwn(env, name) ? env[name] : undefined
      if (value !== undefined) return value
      const what = isWellFormed
        ? `\${${name}} is not set in the environment`
        : 'a variable must be written ${NAME}, and a literal ${ as $${'
      issues.add(issues.value(path, what))
      return reference
    })
  })
}

/** A copy of `tree` that `expand` turns back into it. */
export function escape(tree: unknown): unknown {
  return mapStrings(tree, (text) => text.replaceAll('${', () => '$${'))
}

function mapStrings(
  tree: unknown,
  map: (text: string, path: KeyPath) => string,
  path: KeyPath = [],
): unknown {
  if (typeof tree === 'string') return map(tree, path)
  if (Array.isArray(tree)) return tree.map((item, index) => mapStrings(item, map, [...path, index]))
  if (typeof tree !== 'object' || tree === null) return tree
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, mapStrings(value, map, [...path, key])]),
  )
}
