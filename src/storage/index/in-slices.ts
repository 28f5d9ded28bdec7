import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Query, Statements } from './sql.ts'

/** Milliseconds for which one slice holds the event loop. A step may take a few more. */
const SLICE = 4
/** Items that are found before they are used. */
const BATCH = 5_000

/** Work on the index that may pause at every `yield`, so that others get their turn. */
export type Steps<T> = Generator<void, T>

/**
 * Runs long work on the index in slices. Rows may change between two slices, so the result may mix what was
 * before and after a change.
 *
 * @throws RegistryError STORAGE
 */
export async function inSlices<T>(query: Query, start: (sql: Statements) => Steps<T>): Promise<T> {
  let steps: Steps<T> | undefined
  for (;;) {
    const result = await query((sql) => {
      steps ??= start(sql)
      const end = performance.now() + SLICE
      for (;;) {
        const step = steps.next()
        if (step.done === true || performance.now() >= end) return step
      }
    })
    if (result.done === true) return result.value
    await nextTurn()
  }
}

/**
 * Finds items in slices, and hands them over in batches, so that those that wait stay few.
 *
 * @param find yields what it has found of each step
 * @throws RegistryError STORAGE
 */
export async function inBatches<T>(
  query: Query,
  find: (sql: Statements) => Generator<readonly T[], void>,
  use: (batch: readonly T[]) => Promise<void>,
): Promise<void> {
  let steps: Generator<readonly T[], void> | undefined
  for (let isOver = false; !isOver;) {
    const batch: T[] = []
    isOver = await inSlices(query, function* (sql) {
      steps ??= find(sql)
      while (batch.length < BATCH) {
        const { done, value } = steps.next()
        if (done === true) return true
        batch.push(...value)
        yield
      }
      return false
    })
    await use(batch)
  }
}

/**
 * Reads rows page by page, and calls `each` for every row. `page` returns the rows after `last`, none at the
 * end.
 */
export function* eachRow<Row>(
  page: (last: Row | undefined) => readonly unknown[],
  each: (row: Row) => void,
): Steps<void> {
  for (let last: Row | undefined; ;) {
    const rows = page(last) as readonly Row[]
    rows.forEach(each)
    last = rows.at(-1)
    if (last === undefined) return
    yield
  }
}

/** The result of such work without pauses, where nobody waits for the thread. */
export function allOf<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
