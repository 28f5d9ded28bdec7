import type { StoredRepositories } from '../../ports/search.ts'
import type { IndexReader } from '../index/index-reader.ts'
import type { Statements } from '../index/sql.ts'

/** Repositories, and characters of their names. More are not found. */
const MOST = 100_000
const LONGEST = 4 * 1024 * 1024

export function storedRepositories(read: IndexReader['read']): StoredRepositories {
  return async (upstream) => {
    const names: string[] = []
    for await (const page of read('repositories', upstream)) names.push(...page)
    return names
  }
}

/** For the thread: one look-up for each repository, whatever it contains. */
export function* repositoriesOf(sql: Statements, upstream: string): Iterable<string> {
  let length = 0
  let last = ''
  for (let found = 0; found < MOST && length < LONGEST; found += 1) {
    const row = sql.nextRepository.get(upstream, last)
    if (row?.['upstream'] !== upstream) return
    last = String(row['repository'])
    length += last.length
    yield last
  }
}
