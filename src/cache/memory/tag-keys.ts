import type { RepositoryName } from '../../oci/reference.ts'
import { contentKey } from '../keys.ts'

/** Keys remembered, of all repositories together. After that many, it starts over. */
const MOST = 10_000

/**
 * Makes the keys of tags, and remembers them by the object that names the repository: to join a key, and to
 * hash it, costs several times as much as to find it.
 */
export function tagKeys(): (repository: RepositoryName, tag: string) => string {
  let byRepository = new WeakMap<RepositoryName, Map<string, string>>()
  let count = 0
  return (repository, tag) => {
    const known = byRepository.get(repository)?.get(tag)
    if (known !== undefined) return known
    if (count++ >= MOST) {
      byRepository = new WeakMap()
      count = 1
    }
    const keys = byRepository.get(repository) ?? new Map<string, string>()
    byRepository.set(repository, keys)
    const key = contentKey(repository, tag)
    keys.set(tag, key)
    return key
  }
}
