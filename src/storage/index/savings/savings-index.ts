import type { SavedRow, SavingsBy, SavingsLog } from '../../../ports/insight/savings.ts'
import type { IndexAccess } from '../index-access.ts'
import type { Statements } from '../sql.ts'

const STATEMENTS = {
  upstream: 'savedByUpstream',
  repository: 'savedByRepository',
  client: 'savedByNetwork',
  day: 'savedByUpstream',
} as const satisfies Record<SavingsBy, keyof Statements>

export function savingsIndex({ query, changeAll }: Pick<IndexAccess, 'query' | 'changeAll'>): SavingsLog {
  return {
    async add(saved, rates) {
      await changeAll(saved, (sql, { day, upstream, repository, network, requests, bytes, budget }) => {
        sql.addSaved.run(day, upstream, repository, network, requests, bytes, budget)
      })
      await changeAll(rates, (sql, { day, upstream, bytes, milliseconds }) => {
        sql.addRate.run(day, upstream, bytes, milliseconds)
      })
    },
    savedOn: (day, by) => query((sql) => copied<SavedRow & { name: string }>(sql[STATEMENTS[by]].all(day))),
    ratesSince: (day) => query((sql) => copied(sql.ratesSince.all(day))),
    async forgetBefore(day) {
      for (let removed = 1; removed > 0;) {
        removed = Number((await query((sql) => sql.forgetSaved.run(day))).changes)
      }
      await query((sql) => sql.forgetRates.run(day))
    },
  }
}

/** Rows of node:sqlite have no prototype. */
function copied<T>(rows: readonly object[]): T[] {
  return rows.map((row) => ({ ...row }) as T)
}
