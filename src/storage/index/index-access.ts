import { ignoreStorageError, isBusy, type StorageOperation } from '../storage-operation.ts'
import type { Change, IndexDatabase } from './index-database.ts'
import type { Query, Statements } from './sql.ts'

/** How the parts of the index reach the database. Every method throws RegistryError STORAGE. */
export interface IndexAccess {
  /** Runs one query, or one change of one statement. */
  readonly query: Query
  /** Runs changes that belong together, in one transaction. */
  readonly transact: Query
  /** Changes every item, in slices of about a millisecond with turns of the event loop between them. */
  changeAll<T>(items: readonly T[], change: Change<Statements, T>): Promise<void>
  /** Lets others run between two slices. A failed WAL checkpoint is counted and ignored. */
  rest(): Promise<void>
}

export function indexAccess(database: IndexDatabase<Statements>, run: StorageOperation): IndexAccess {
  const rest = (): Promise<void> => run('index', () => database.rest()).catch(ignoreStorageError)
  const change = <T>(task: () => T): Promise<T> =>
    run('index', async () => {
      for (;;) {
        try {
          return task()
        } catch (error) {
          if (!isBusy(error)) throw error
          await database.unlocked()
        }
      }
    })
  return {
    query: (task) => change(() => database.run(task)),
    transact: (task) => change(() => database.transact(task)),
    async changeAll(items, changeOne) {
      for (let done = 0; done < items.length;) {
        await database.ready()
        const left = items.slice(done, done + MOST)
        done += await change(() => database.transactSome(left, changeOne))
        if (done < items.length) await rest()
      }
      database.getReady()
    },
    rest,
  }
}

/** Items of one slice at most: a slice of a long list must not copy the list. */
const MOST = 1_000
