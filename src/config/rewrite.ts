import { isRepositoryName } from '../oci/reference.ts'
import type { KeyPath, Issues } from './issues.ts'
import type { UpstreamEntry } from './schema/upstream-schema.ts'

type Rules = NonNullable<UpstreamEntry['rewrite']>

/** Adds an issue for each rule that does not say which name a repository gets. `at` is the key of `rules`. */
export function checkRewrite(at: KeyPath, rules: Rules, issues: Issues): void {
  for (const [i, { from, to }] of rules.entries()) {
    const stars = starsIn(from)
    const issue = (key: 'from' | 'to', what: string) => issues.add(issues.value([...at, i, key], what))
    if (stars.length > 1) issue('from', 'must have one star at most, such as org/** or org/*')
    else if (starsIn(to).join(' ') !== stars.join(' '))
      issue('to', `must have ${stars[0] ?? 'no star'}, as ${from} has`)
    else if (!isRepositoryName(to.replace(/\*+/, 'a'))) issue('to', 'must be the name of a repository')
    else if (from === to) issue('to', 'must be another name than from')
  }
}

function starsIn(pattern: string): readonly string[] {
  return pattern.match(/\*+/g) ?? []
}
