import type { Worker } from 'node:worker_threads'

/** The next worker thread of this process. */
export function nextThread(): Promise<Worker> {
  return new Promise((resolve) => process.once('worker', resolve))
}
