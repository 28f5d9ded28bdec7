import type { z } from 'zod'
import type { ConfigError } from './config-error.ts'
import type { KeyPath, Mistakes } from './issues.ts'

/** One of the mistakes that `fileSchema` found: a misspelt key before one that is missing because of it. */
export function firstMistake({ issues }: z.ZodError, mistakes: Mistakes): ConfigError {
  return mistakeOf(issues.find(isUnknownKey) ?? issues[0]!, [], mistakes)
}

function mistakeOf(issue: z.core.$ZodIssue, at: KeyPath, mistakes: Mistakes): ConfigError {
  const path = [...at, ...issue.path]
  if (issue.code === 'unrecognized_keys') return mistakes.key([...path, issue.keys[0]!], issue.message)
  if (issue.code === 'invalid_union') {
    // A branch that complains about something inside was the one that was meant.
    const inside = issue.errors.flat().find((issue) => issue.path.length > 0 || isUnknownKey(issue))
    if (inside !== undefined) return mistakeOf(inside, path, mistakes)
  }
  return mistakes.value(path, issue.message)
}

function isUnknownKey({ code }: z.core.$ZodIssue): boolean {
  return code === 'unrecognized_keys'
}
