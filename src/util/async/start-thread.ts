import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Starts a worker thread.
 *
 * @returns undefined when the machine has no thread for us now: a limit of processes or of memory is reached
 */
export function startThread(code: URL | string, options?: WorkerOptions): Worker | undefined {
  try {
    return new Worker(code, options)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_INIT_FAILED') return undefined
    throw error
  }
}
