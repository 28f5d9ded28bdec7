import { glob } from '../util/glob.ts'
import type { RepositoryName } from '../oci/reference.ts'

export interface Rule {
  /** Identity pattern; `*` also matches `/`. Omitted: everyone, including anonymous clients. */
  readonly identity?: string | undefined
  /** What they may pull: patterns of `upstream/name`, `ghcr.io/org/*`. */
  readonly repositories: readonly string[]
}

/** Whether somebody may pull from a repository. */
export type Rules = (identity: string | undefined, repository: RepositoryName) => boolean

/** The first rule for an identity is the one that counts: what it does not list, and whom no rule is for, is denied. */
export function rules(list: readonly Rule[]): Rules {
  const compiled = list.map(({ identity, repositories }) => {
    const isMeant = identity === undefined ? undefined : glob(identity.replaceAll(/\*+/g, '**'))
    return { isMeant, patterns: repositories.map(glob) }
  })
  return (identity, { upstream, name }) => {
    const rule = compiled.find(({ isMeant }) => {
      return isMeant === undefined || (identity !== undefined && isMeant(identity))
    })
    return rule?.patterns.some((matches) => matches(`${upstream}/${name}`)) ?? false
  }
}
