import { setTimeout as sleep } from 'node:timers/promises'
import { ignoreStorageError, isBusy, type StorageOperation } from '../storage-operation.ts'
import { type Change, type IndexDatabase, PAUSE } from './index-database.ts'
import type { Query, Statements } from './sql.ts'

/** How the parts of the index reach the database. Every method throws RegistryError STORAGE. */
export interface IndexAccess {
  /** Runs one query, or one change of one statement. */
  readonly query: Query
  /** Runs changes that belong together, in one transaction. */
  readonly transact: Query
  /**
   * Changes every item, in slices of half a millisecond with turns of the event loop between them. In the
   * middle of an item that takes several slices, and between all of them where `isOneThing` is set, the loop is
   * left to others for most of the time: however much one manifest has of something, nobody feels it. Those with
   * `isOneThing` take turns: many such manifests at once take no more of the loop than one.
   */
  changeAll<T>(items: readonly T[], change: Change<Statements, T>, isOneThing?: boolean): Promise<void>
  /**
   * Lets others run between two slices; with `isPause`, for longer than the slice took. A failed WAL checkpoint
   * is counted and ignored.
   */
  rest(isPause?: boolean): Promise<void>
}

export function indexAccess(
  database: Pick<
    IndexDatabase<Statements>,
    'run' | 'transact' | 'transactSome' | 'unlocked' | 'ready' | 'getReady' | 'rest'
  >,
  run: StorageOperation,
): IndexAccess {
  /** When the next slice of one thing may begin. */
  let next = 0
  const restInTurn = async (): Promise<void> => {
    const now = performance.now()
    next = Math.max(next, now) + PAUSE
    const wait = next - now
    await rest()
    await sleep(wait)
  }
  const rest = (isPause = false): Promise<void> =>
    run('index', () => database.rest(isPause)).catch(ignoreStorageError)
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
    async changeAll(items, changeOne, isOneThing = false) {
      for (let done = 0; done < items.length;) {
        await database.ready()
        const left = items.slice(done, done + MOST)
        const some = await change(() => database.transactSome(left, changeOne))
        done += some
        if (done < items.length) await (isOneThing ? restInTurn() : rest(some === 0))
      }
      database.getReady()
    },
    rest,
  }
}

/** Items of one slice at most: a slice of a long list must not copy the list. */
const MOST = 1_000
