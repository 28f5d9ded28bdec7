/** The worker thread of `index-reader.ts`. */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { runInBackground } from '../../util/async/background-thread.ts'
import { rowsOf, type Task } from '../operations/reader-tasks.ts'
import type { Answer, Question } from './index-reader.ts'
import { statements } from './sql.ts'

const { location } = workerData as { readonly location: string }

/** Milliseconds to wait for a lock. Only this thread waits. */
const TIMEOUT = 5_000
/** Rows of a page: those who get it spend well below a millisecond on it. */
const PAGE = 100

/** Between two pages others have their turn. */
const running = new Map<number, Iterator<readonly unknown[], void>>()

runInBackground()
parentPort!.on('message', ({ id, task, isLeft }: Question) => {
  if (isLeft === true) {
    running.get(id)?.return?.()
    running.delete(id)
    return
  }
  if (task !== undefined) running.set(id, pagesOf(task))
  parentPort!.postMessage(next(id))
})

function next(id: number): Answer {
  try {
    const step = running.get(id)?.next()
    if (step?.done === false) return { id, page: step.value }
    running.delete(id)
    return { id }
  } catch (error) {
    running.delete(id)
    const { message, code, errcode } = error as Error & {
      readonly code?: unknown
      readonly errcode?: unknown
    }
    return { id, failure: { message, code, errcode } }
  }
}

function* pagesOf(task: Task): Generator<readonly unknown[], void> {
  // Open for this task only: the main thread may replace a damaged file.
  using db = new DatabaseSync(new URL(location), { timeout: TIMEOUT })
  db.exec('PRAGMA query_only = ON')
  let page: unknown[] = []
  for (const row of rowsOf(statements(db), task)) {
    page.push(row)
    if (page.length < PAGE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
