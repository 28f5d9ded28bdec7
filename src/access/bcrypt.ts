import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

export interface Question {
  readonly id: number
  readonly password: string
  readonly hash: string
}

export interface Answer {
  readonly id: number
  readonly isRight: boolean
}

/** Whether `hash` is that of `password`. */
export type Compare = (password: string, hash: string) => Promise<boolean>

export interface Bcrypt extends AsyncDisposable {
  readonly compare: Compare
}

/**
 * bcrypt on a thread of its own, one at a time: it costs 50 ms to seconds of CPU by design, which the requests of everybody else
 * shall not wait for, and no more than one core whoever guesses. The thread starts with the first question.
 */
export function bcrypt(): Bcrypt {
  const waiting = new Map<number, PromiseWithResolvers<boolean>>()
  let worker: Worker | undefined
  let last = 0

  function start(): Worker {
    const started = new Worker(new URL(`./bcrypt-worker${extname(import.meta.url)}`, import.meta.url))
    started.on('message', ({ id, isRight }: Answer) => {
      waiting.get(id)?.resolve(isRight)
      waiting.delete(id)
    })
    started.on('error', fail)
    started.unref()
    return started
  }

  function fail(error: unknown): void {
    worker = undefined
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  return {
    compare(password, hash) {
      worker ??= start()
      const question: Question = { id: ++last, password, hash }
      const answer = Promise.withResolvers<boolean>()
      waiting.set(question.id, answer)
      worker.postMessage(question)
      return answer.promise
    },
    async [Symbol.asyncDispose]() {
      await worker?.terminate()
      fail(new Error('closed'))
    },
  }
}
