import { extname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { RegistryError } from '../oci/errors.ts'
import { startThread } from '../util/async/start-thread.ts'

export interface CompareRequest {
  readonly id: number
  readonly password: string
  readonly hash: string
}

export interface CompareResult {
  readonly id: number
  readonly isRight: boolean
}

/** Reports whether `hash` is a hash of `password`. */
export type Compare = (password: string, hash: string) => Promise<boolean>

export interface Bcrypt extends AsyncDisposable {
  readonly compare: Compare
}

/**
 * Runs bcrypt on a worker thread, one comparison at a time. By design a comparison costs 50 ms to seconds of
 * CPU: other requests must not wait for it, and clients that guess must not use more than one core. The
 * thread starts with the first comparison. Disposing of it waits for those that run.
 *
 * `compare` throws RegistryError NO_THREAD while the machine has no thread for it, or when it has ended.
 */
export function bcrypt(): Bcrypt {
  const waiting = new Map<number, PromiseWithResolvers<boolean>>()
  let worker: Worker | undefined
  let last = 0

  function start(): Worker {
    const started = startThread(new URL(`./bcrypt-worker${extname(import.meta.url)}`, import.meta.url))
    if (started === undefined) throw noThread('the limit of processes is reached')
    started.on('message', ({ id, isRight }: CompareResult) => {
      waiting.get(id)?.resolve(isRight)
      waiting.delete(id)
    })
    started.on('error', (error) => fail(started, error))
    started.on('exit', () => fail(started, noThread('the thread has ended')))
    started.unref()
    return started
  }

  function fail(of: Worker | undefined, error: unknown): void {
    if (worker !== of) return
    worker = undefined
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  return {
    async compare(password, hash) {
      worker ??= start()
      const request: CompareRequest = { id: ++last, password, hash }
      const result = Promise.withResolvers<boolean>()
      waiting.set(request.id, result)
      worker.postMessage(request)
      return result.promise
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...waiting.values()].map(({ promise }) => promise))
      await worker?.terminate()
      fail(worker, new Error('closed'))
    },
  }
}

function noThread(reason: string): RegistryError {
  return new RegistryError('NO_THREAD', { operation: 'login', reason })
}
