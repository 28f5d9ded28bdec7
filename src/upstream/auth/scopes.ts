import { LRUCache } from 'lru-cache'
import type { UpstreamRequest } from '../requests.ts'

type Asked = Pick<UpstreamRequest, 'repository' | 'kind' | 'mountFrom'>

/** Which scopes the tokens of an upstream need, as its challenges say. */
export interface Scopes {
  /** What to ask a token for, before a challenge has said anything about this repository. */
  of(asked: Asked): readonly string[]
  /** A request was challenged with this scope. */
  learn(asked: Asked, scope: string | undefined): void
}

const REMEMBERED = 10_000
/** Characters. */
const LONGEST = 1024

/**
 * The challenge's own scope counts: some registries want another action for tag lists (`metadata_read` at
 * ACR), or know the repository by another name. It counts for this kind of request to this repository. A
 * scope of another kind (`aws` at public.ecr.aws) counts for all requests, besides the usual one.
 *
 * @param writes the requests write to their repository too
 */
export function scopes(writes = false): Scopes {
  const usual = ({ repository, mountFrom }: Asked): readonly string[] => [
    ...(repository === undefined ? [] : [`repository:${repository}:${writes ? 'pull,push' : 'pull'}`]),
    ...(mountFrom === undefined ? [] : [`repository:${mountFrom}:pull`]),
  ]
  const allowed = writes ? (scope: string) => scope : reading
  const learnt = new LRUCache<string, readonly string[]>({ max: REMEMBERED })
  let common: readonly string[] = []

  return {
    of: (asked) => learnt.get(keyOf(asked)) ?? [...usual(asked), ...common],
    learn(asked, scope) {
      const named = scope !== undefined && scope.length <= LONGEST ? scope.split(' ').filter(Boolean) : []
      const repositories = named.filter((one) => one.startsWith('repository:')).map(allowed)
      const others = named.filter((one) => !one.startsWith('repository:'))
      const all = [...(repositories.length > 0 ? repositories : usual(asked)), ...others]
      const isUsual =
        repositories.length === 0 || repositories.toSorted().join() === usual(asked).toSorted().join()
      if (isUsual) {
        common = others
        learnt.delete(keyOf(asked))
      } else {
        learnt.set(keyOf(asked), all)
      }
    },
  }
}

/** The cache never writes upstream: a scope with `push` is asked for without. */
function reading(scope: string): string {
  const [, resource = '', actions = ''] = /^(.*):([^:]*)$/.exec(scope) ?? []
  const kept = actions.split(',').filter((action) => action !== 'push' && action !== 'delete')
  return kept.length === 0 ? scope : `${resource}:${kept.join(',')}`
}

/** A manifest, its tag and its blobs are read with one right. */
function keyOf({ repository = '', kind, mountFrom = '' }: Asked): string {
  return `${repository} ${kind === 'tags' || kind === 'referrers' ? kind : 'content'} ${mountFrom}`
}
