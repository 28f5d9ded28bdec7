import type { StatementResultingChanges } from 'node:sqlite'
import { RANGES } from './content-index.ts'
import type { IndexAccess } from './index-access.ts'
import type { Statements } from './sql.ts'

/**
 * Sets instants that lie in the future to now: content that a clock ahead has marked would be evicted last.
 */
export async function clampInstants(
  { transact, rest }: IndexAccess,
  now: () => number,
  stopped: () => boolean,
): Promise<void> {
  const clamps: readonly ((sql: Statements) => StatementResultingChanges)[] = [
    ...RANGES.map((range) => (sql: Statements) => sql.clampUses.run(...range, now())),
    (sql) => sql.clampFetches.run(now()),
    (sql) => sql.clampTags.run(now()),
  ]
  for (const clamp of clamps) {
    while (!stopped() && Number((await transact(clamp)).changes) > 0) await rest()
  }
}

/**
 * Moves all instants before `until` forwards, at most to `until + milliseconds`: the clock that wrote them
 * was behind, or stood still while the machine slept. Content would expire for time in which nobody could use
 * it (FR-33).
 */
export async function shiftInstants(
  { query, changeAll }: IndexAccess,
  { milliseconds, until }: { readonly milliseconds: number; readonly until: number },
  stopped: () => boolean,
): Promise<void> {
  const shift = Math.floor(milliseconds)
  for (let last = ''; !stopped();) {
    const page = await query((sql) => sql.contentAfter.all(last))
    if (page.length === 0) break
    last = String(page.at(-1)!['digest'])
    await changeAll(page, (sql, { digest }) => {
      sql.shiftContent.run(shift, until, digest!)
    })
  }
  for (let last = ['', '', '']; !stopped();) {
    const page = await query((sql) => sql.taggedImages.all(...(last as [string, string, string])))
    const end = page.at(-1)
    if (end === undefined) break
    last = [end['upstream'], end['repository'], end['tag']].map(String)
    await changeAll(page, (sql, { upstream, repository, tag }) => {
      sql.shiftTag.run(shift, until, upstream!, repository!, tag!)
    })
  }
}
