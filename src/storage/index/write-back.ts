import { once } from 'node:events'
import { extname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../util/async/start-thread.ts'

/** Writes the WAL of the index back into its file, in a thread of its own. */
export interface WriteBack {
  /** Starts a write-back unless one is running. Resolves when it is over, whether or not it succeeded. */
  run(): Promise<void>
  /** Ends the thread, after the write-back that runs. */
  close(): Promise<void>
}

/** `location`: the URL of the database, as SQLite takes it. The thread starts with the first write-back. */
export function writeBack(location: URL): WriteBack {
  let worker: Worker | undefined
  let running: Promise<void> | undefined

  return {
    run() {
      running ??= writeOnce().finally(() => (running = undefined))
      return running
    },
    async close() {
      await running
      await worker?.terminate()
      worker = undefined
    },
  }

  async function writeOnce(): Promise<void> {
    worker ??= start()
    // Then SQLite does it when the WAL has grown.
    if (worker === undefined) return
    const current = worker
    current.ref()
    current.postMessage('write back')
    // A failed write-back leaves the WAL as it is. SQLite tries again by itself when the WAL has grown.
    const over = new AbortController()
    const { signal } = over
    await Promise.race([once(current, 'message', { signal }), once(current, 'exit', { signal })]).catch(
      () => {},
    )
    over.abort()
    current.unref()
  }

  function start(): Worker | undefined {
    const started = startThread(new URL(`./write-back-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: { location: location.href },
    })
    started?.unref()
    started?.on('error', () => (worker = undefined))
    started?.on('exit', () => (worker = undefined))
    return started
  }
}
