import type { z } from 'zod'
import type { ConfigIssue, Issues, KeyPath } from '../issues.ts'
import { counterpartOf } from '../registry2/counterparts.ts'
import { unknownKey } from './section.ts'

/**
 * Every issue that `fileSchema` found. A key that is missing because it is misspelt is no issue of its own.
 */
export function schemaIssues({ issues: found }: z.ZodError, issues: Issues): readonly ConfigIssue[] {
  const misspelt = new Set(found.filter(isUnknownKey).map(({ path }) => JSON.stringify(path)))
  return found
    .filter((issue) => !isMissing(issue) || !misspelt.has(JSON.stringify(issue.path.slice(0, -1))))
    .flatMap((issue) => issuesOf(issue, [], issues))
}

function issuesOf(issue: z.core.$ZodIssue, at: KeyPath, issues: Issues): readonly ConfigIssue[] {
  const path = [...at, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const counterpart = counterpartOf([...path, key])
      const what = counterpart === undefined ? unknownKey(key, issue.message) : ofRegistry2(counterpart)
      return issues.key([...path, key], what)
    })
  }
  if (issue.code === 'invalid_union') {
    // A branch that complains about something inside was the one that was meant.
    const inside = issue.errors.flat().filter((issue) => issue.path.length > 0 || isUnknownKey(issue))
    if (inside.length > 0) return inside.flatMap((issue) => issuesOf(issue, path, issues))
  }
  return [issues.value(path, issue.message)]
}

function ofRegistry2(counterpart: string): string {
  return `is a key of registry:2; it ${counterpart} (\`entrepot migrate registry2 FILE\` translates the file)`
}

function isUnknownKey({ code }: z.core.$ZodIssue): boolean {
  return code === 'unrecognized_keys'
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.input === undefined
}
