import { ignoreStorageError, type StorageOperation } from '../storage-operation.ts'
import type { IndexDatabase } from './index-database.ts'
import type { Query, Statements } from './sql.ts'

/** How the parts of the index reach the database. Every method throws RegistryError STORAGE. */
export interface IndexAccess {
  /** Runs one query, or one change of one statement. */
  readonly query: Query
  /** Runs changes that belong together, in one transaction. */
  readonly transact: Query
  /** Changes every item. Long work is split into slices, with turns of the event loop between them. */
  changeAll<T>(items: readonly T[], change: (sql: Statements, item: T) => void): Promise<void>
  /** Lets others run between two slices. A failed WAL checkpoint is counted and ignored. */
  rest(): Promise<void>
}

export function indexAccess(database: IndexDatabase<Statements>, run: StorageOperation): IndexAccess {
  const rest = (): Promise<void> => run('index', () => database.rest()).catch(ignoreStorageError)
  return {
    query: (task) => run('index', async () => database.run(task)),
    transact: (task) => run('index', async () => database.transact(task)),
    async changeAll(items, change) {
      let left = items
      while (left.length > 0) {
        const changed = await run('index', async () => database.transactSome(left, change))
        left = left.slice(changed)
        if (left.length > 0) await rest()
      }
    },
    rest,
  }
}
