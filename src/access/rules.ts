import { parseRepositoryPattern } from '../oci/image-pattern.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { glob } from '../util/glob.ts'
import type { UpstreamNames } from '../oci/upstream-names.ts'

export interface Rule {
  /** Identity pattern; `*` also matches `/`. Omitted: everyone, including anonymous clients. */
  readonly identity?: string | undefined
  /** The repositories they may pull, as patterns of `oci/image-pattern.ts`: `node`, `ghcr.io/org/*`. */
  readonly repositories: readonly string[]
}

/** Reports whether an identity may pull from a repository. undefined = an anonymous client. */
export type Rules = (identity: string | undefined, repository: RepositoryName) => boolean

/**
 * The first rule that matches an identity decides. What it does not list is denied, as is a client without a
 * rule. `upstreams`: the names by which patterns are completed.
 */
export function rules(list: readonly Rule[], upstreams: UpstreamNames): Rules {
  const compiled = list.map(({ identity, repositories }) => {
    const appliesTo = identity === undefined ? undefined : glob(identity.replaceAll(/\*+/g, '**'))
    return { appliesTo, lists: lists(repositories, upstreams) }
  })
  return (identity, repository) => {
    const rule = compiled.find(({ appliesTo }) => {
      return appliesTo === undefined || (identity !== undefined && appliesTo(identity))
    })
    return rule?.lists(repository) ?? false
  }
}

/** Compiles the `repositories` of a rule: whether they have a repository. */
export function lists(
  repositories: Rule['repositories'],
  upstreams: UpstreamNames,
): (repository: RepositoryName) => boolean {
  const patterns = repositories.map((text) => parseRepositoryPattern(text, upstreams)!)
  return (repository) => patterns.some((pattern) => pattern.matchesRepository(repository))
}
