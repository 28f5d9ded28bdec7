import type { StoredRepositories } from '../../ports/search.ts'
import type { IndexReader } from '../index/index-reader.ts'
import type { Statements } from '../index/sql.ts'

export interface RepositoriesTask {
  readonly upstream: string
  /** In lower case. */
  readonly words: readonly string[]
}

/** More are not found. */
const MOST = 10_000

export function storedRepositories(read: IndexReader['read']): StoredRepositories {
  return async (upstream, words) => {
    const names: string[] = []
    for await (const page of read('repositories', { upstream, words })) names.push(...page)
    return names
  }
}

/** For the thread: one look-up for each repository, whatever it contains. */
export function* repositoriesWith(sql: Statements, { upstream, words }: RepositoriesTask): Iterable<string> {
  let found = 0
  for (let last = ''; found < MOST;) {
    const row = sql.nextRepository.get(upstream, last)
    if (row?.['upstream'] !== upstream) return
    last = String(row['repository'])
    if (!words.every((word) => last.includes(word))) continue
    found += 1
    yield last
  }
}
