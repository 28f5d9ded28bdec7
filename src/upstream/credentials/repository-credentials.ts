import { glob } from '../../util/glob.ts'

/** The pattern of the credentials that a repository is read with; undefined: those of the upstream itself. */
export type PatternFor = (repository: string | undefined) => string | undefined

/** The first pattern that matches decides. */
export function patternFor(patterns: readonly string[]): PatternFor {
  const compiled = patterns.map((pattern) => ({ pattern, matches: glob(pattern) }))
  return (repository) =>
    repository === undefined ? undefined : compiled.find(({ matches }) => matches(repository))?.pattern
}
