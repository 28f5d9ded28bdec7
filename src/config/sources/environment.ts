import type { Issues, KeyPath } from '../issues.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Expansion {
  readonly env: Environment
  readonly issues: Issues
  /** Values that themselves come from the environment. Omitted: none. */
  readonly isLiteral?: (path: KeyPath) => boolean
  /** What becomes of a value whose variable is not set: it is kept as written, or left out. Omitted: an issue. */
  readonly lacking?: (path: KeyPath) => 'issue' | 'keep' | 'omit'
}

/**
 * A copy of `tree` with `${NAME}` replaced in every string that is a value; `$${` stands for a literal `${`.
 * Line breaks at the end of a variable are dropped. One that is not set is an issue, unless `lacking` says
 * otherwise, and stays as it is.
 */
export function expand(
  tree: unknown,
  { env, issues, isLiteral = () => false, lacking = () => 'issue' }: Expansion,
): unknown {
  return mapStrings(tree, (text, path) => {
    if (isLiteral(path)) return text
    let isOmitted = false
    const expanded = text.replaceAll(/\$\$\{|\$\{([^}]*)\}?/g, (reference, name: string | undefined) => {
      if (name === undefined) return '${'
      const isWellFormed = /^[A-Za-z_]\w*$/.test(name) && reference.endsWith('}')
      const value = isWellFormed && Object.hasOwn(env, name) ? env[name] : undefined
      if (value !== undefined) return withoutLastBreak(value)
      const then = isWellFormed ? lacking(path) : 'issue'
      if (then === 'omit') isOmitted = true
      if (then !== 'issue') return reference
      const what = isWellFormed
        ? `\${${name}} is not set in the environment`
        : 'a variable must be written ${NAME}, and a literal ${ as $${'
      issues.add(issues.value(path, what))
      return reference
    })
    return isOmitted ? undefined : expanded
  })
}

/** A value without the line break that `echo secret | base64` has put at its end: no key has one there. */
export function withoutLastBreak(value: string): string {
  return value.replace(/[\r\n]+$/, '')
}

/** A copy of `tree` that `expand` turns back into it. */
export function escape(tree: unknown): unknown {
  return mapStrings(tree, (text) => text.replaceAll('${', () => '$${'))
}

function mapStrings(
  tree: unknown,
  map: (text: string, path: KeyPath) => string | undefined,
  path: KeyPath = [],
): unknown {
  if (typeof tree === 'string') return map(tree, path)
  if (Array.isArray(tree)) return tree.map((item, index) => mapStrings(item, map, [...path, index]))
  if (typeof tree !== 'object' || tree === null) return tree
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, mapStrings(value, map, [...path, key])]),
  )
}
