import type { Steps } from '../index/in-slices.ts'
import type { Statements } from '../index/sql.ts'

/** The upstreams of links and tags. Some may have been removed from the configuration (FR-41). */
export function* storedUpstreams(sql: Statements): Steps<readonly string[]> {
  const found = new Set<string>()
  for (const next of [sql.nextLinkedUpstream, sql.nextTaggedUpstream]) {
    for (let last = ''; ;) {
      const row = next.get(last)
      if (row === undefined) break
      last = String(row['upstream'])
      found.add(last)
      yield
    }
  }
  return [...found]
}
