import { glob } from '../util/glob.ts'
import type { RepositoryName } from '../oci/reference.ts'

export interface Rule {
  /** Identity pattern; `*` also matches `/`. Omitted: everyone, including anonymous clients. */
  readonly identity?: string | undefined
  /** The repositories they may pull, as patterns of `upstream/name`: `ghcr.io/org/*`. */
  readonly repositories: readonly string[]
}

/** Reports whether an identity may pull from a repository. undefined = an anonymous client. */
export type Rules = (identity: string | undefined, repository: RepositoryName) => boolean

/**
 * The first rule that matches an identity decides. What it does not list is denied, as is a client without a
 * rule.
 */
export function rules(list: readonly Rule[]): Rules {
  const compiled = list.map(({ identity, repositories }) => {
    const appliesTo = identity === undefined ? undefined : glob(identity.replaceAll(/\*+/g, '**'))
    return { appliesTo, patterns: repositories.map(glob) }
  })
  return (identity, { upstream, name }) => {
    const rule = compiled.find(({ appliesTo }) => {
      return appliesTo === undefined || (identity !== undefined && appliesTo(identity))
    })
    return rule?.patterns.some((matches) => matches(`${upstream}/${name}`)) ?? false
  }
}
