import { extname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { RegistryError } from '../../oci/errors.ts'
import { startThread } from '../../util/async/start-thread.ts'
import type { Row, Task, TaskName, Arguments } from '../operations/reader-tasks.ts'

/**
 * Reads the index in a thread with a connection of its own: what walks over many rows holds nobody up,
 * neither by its work nor by waiting for the disk. It sees what is committed.
 */
export interface IndexReader {
  /**
   * Runs a task of `reader-tasks.ts`. Its rows come in pages, of which one is read ahead; leaving the loop
   * ends the task.
   *
   * @throws RegistryError STORAGE, also when the reader is closed
   */
  read<Name extends TaskName>(
    name: Name,
    ...args: Arguments<Name>
  ): AsyncGenerator<readonly Row<Name>[], void, void>
  close(): Promise<void>
}

/** What the thread is told: to begin a task, to send the next page of it, or to end it. */
export interface Question {
  readonly id: number
  readonly task?: Task
  readonly isLeft?: boolean
}

export interface Answer {
  readonly id: number
  /** undefined: there are no more. */
  readonly page?: readonly unknown[] | undefined
  /** An error keeps its properties only as an object of its own. */
  readonly failure?: { readonly message: string; readonly code?: unknown; readonly errcode?: unknown }
}

/** Milliseconds. A thread that has nothing to do costs memory. */
const IDLE = 10_000

/**
 * `location`: the URL of the database, as SQLite takes it. `refuse` throws an error of SQLite as what it is to
 * others. The thread starts with the first task.
 */
export function indexReader(location: URL, refuse: (error: unknown) => Promise<never>): IndexReader {
  const waiting = new Map<number, PromiseWithResolvers<Answer>>()
  let worker: Worker | undefined
  let open = 0
  let lastId = 0
  let isClosed = false
  let idle: NodeJS.Timeout | undefined

  return {
    async *read(name, ...args) {
      if (isClosed) throw closed()
      clearTimeout(idle)
      open += 1
      const id = ++lastId
      let isOver = false
      try {
        // Another thread knows nothing of the task.
        const thread = (worker ??= start())
        for (let answer = ask(thread, { id, task: { name, args } }); ;) {
          const { page, failure } = await answer
          isOver = page === undefined
          if (failure !== undefined) await refuse(Object.assign(new Error(failure.message), failure))
          if (page === undefined) return
          // The next page is read while this one is dealt with. Who leaves the loop does not hear its failure.
          answer = ask(thread, { id })
          answer.catch(() => {})
          // Node hands over up to a thousand messages in one turn of the event loop.
          await nextTurn()
          yield page as readonly Row<typeof name>[]
        }
      } finally {
        if (!isOver) worker?.postMessage({ id, isLeft: true } satisfies Question)
        open -= 1
        if (open === 0 && !isClosed) idle = setTimeout(() => void end(), IDLE).unref()
      }
    },
    async close() {
      isClosed = true
      clearTimeout(idle)
      await end()
    },
  }

  async function ask(thread: Worker, question: Question): Promise<Answer> {
    if (worker !== thread) throw unreadable('the thread has ended')
    const answer = Promise.withResolvers<Answer>()
    waiting.set(question.id, answer)
    thread.ref()
    thread.postMessage(question)
    return answer.promise
  }

  function start(): Worker {
    const started = startThread(
      new URL(`./index-reader-worker${extname(import.meta.url)}`, import.meta.url),
      { workerData: { location: location.href } },
    )
    if (started === undefined) throw unreadable('no thread: the limit of processes is reached')
    started.on('message', (answer: Answer) => {
      waiting.get(answer.id)?.resolve(answer)
      waiting.delete(answer.id)
      if (waiting.size === 0) started.unref()
    })
    started.on('error', (error) => failAll(started, unreadable('the thread has failed', error)))
    started.on('exit', () => failAll(started, unreadable('the thread has ended')))
    return started
  }

  function failAll(of: Worker, reason: unknown): void {
    if (worker !== of) return
    worker = undefined
    for (const answer of waiting.values()) answer.reject(reason)
    waiting.clear()
  }

  /** A task that comes meanwhile gets a thread of its own. */
  async function end(): Promise<void> {
    const ending = worker
    if (ending === undefined) return
    failAll(ending, closed())
    await ending.terminate()
  }
}

function closed(): RegistryError {
  return unreadable('closed')
}

function unreadable(reason: string, cause?: unknown): RegistryError {
  return new RegistryError('STORAGE', { operation: 'index', reason }, { cause })
}
