import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../util/async/start-thread.ts'
import { usesOf } from '../../util/shared-piece.ts'
import { hashInThread, type HashAnswer, type HashMessage } from './hash-in-thread.ts'

const MiB = 1024 * 1024
/** Bytes of content that is worth the start of the thread, and its 15 MiB of memory. */
const LONG = 96 * MiB
/** One thread hashes as fast as the main one receives and sends. */
const AT_ONCE = 2
/** Milliseconds. A thread that has nothing to do costs memory. */
const IDLE = 5_000

/** Hashes long content beside the main thread, on a thread that starts and ends as needed. */
export class HashThread {
  readonly #cores: number
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #last = 0
  readonly #running = new Map<number, ThreadHash>()

  constructor(cores = availableParallelism()) {
    this.#cores = cores
  }

  /** @returns undefined where content of `size` bytes is better hashed on the main thread now */
  begin(algorithm: string, size: number): ThreadHash | undefined {
    if (size < LONG || this.#running.size >= AT_ONCE || this.#cores < 2) return undefined
    const worker = (this.#worker ??= this.#start())
    if (worker === undefined) return undefined
    clearTimeout(this.#idle)
    const id = (this.#last += 1)
    const hash = new ThreadHash({
      tell: (message, transfer = []) => worker.postMessage(message satisfies HashMessage, transfer),
      id,
      ended: () => this.#ended(id),
    })
    this.#running.set(id, hash)
    hash.begin(algorithm)
    return hash
  }

  /** @returns undefined when the machine has no thread for us now */
  #start(): Worker | undefined {
    const worker = openWorker()
    if (worker === undefined) return undefined
    worker.unref()
    worker.on('message', ({ id, hex }: HashAnswer) => this.#running.get(id)?.answered(hex))
    const failed = (reason: unknown): void => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      for (const hash of this.#running.values()) hash.failed(reason)
      this.#running.clear()
    }
    worker.on('error', failed)
    worker.on('exit', () => failed(new Error('the thread that hashes has ended')))
    return worker
  }

  #ended(id: number): void {
    if (!this.#running.delete(id) || this.#running.size > 0) return
    this.#idle = setTimeout(() => {
      const ending = this.#worker
      this.#worker = undefined
      void ending?.terminate()
    }, IDLE).unref()
  }
}

function openWorker(): Worker | undefined {
  // A file would have its types stripped anew, which takes three times as long and 15 MiB.
  return startThread(`(${hashInThread.toString()})()`, {
    eval: true,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  })
}

interface ThreadHashOptions {
  readonly id: number
  readonly tell: (message: HashMessage, transfer?: ArrayBuffer[]) => void
  readonly ended: () => void
}

/** A hash that the thread computes. Every method throws what ended the thread. */
export class ThreadHash implements Disposable {
  readonly #options: ThreadHashOptions
  #pending = 0
  #waiter: { readonly most: number; readonly done: PromiseWithResolvers<void> } | undefined
  readonly #hex = Promise.withResolvers<string>()
  #failure: { readonly reason: unknown } | undefined

  constructor(options: ThreadHashOptions) {
    this.#options = options
    // It may fail before anybody asks.
    this.#hex.promise.catch(() => {})
  }

  begin(algorithm: string): void {
    const { id, tell } = this.#options
    tell({ id, algorithm })
  }

  /** Reads a shared piece later, until when its uses say so. Other memory is copied. */
  add(bytes: Uint8Array): void {
    const { id, tell } = this.#options
    this.#pending += 1
    const uses = usesOf(bytes)
    if (uses === undefined) {
      const copy = new Uint8Array(bytes)
      return tell({ id, bytes: copy }, [copy.buffer])
    }
    Atomics.add(uses, 0, 1)
    tell({ id, bytes, uses })
  }

  /** Resolves when at most `most` of the additions are not hashed. One call at a time. */
  async until(most: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.reason
    if (this.#pending <= most) return
    const done = Promise.withResolvers<void>()
    this.#waiter = { most, done }
    await done.promise
  }

  /** Ends the hash. */
  async hex(): Promise<string> {
    this.#options.tell({ id: this.#options.id, isWanted: true })
    return await this.#hex.promise
  }

  answered(hex: string | undefined): void {
    if (hex !== undefined) return this.#hex.resolve(hex)
    this.#pending -= 1
    if (this.#waiter === undefined || this.#pending > this.#waiter.most) return
    this.#waiter.done.resolve()
    this.#waiter = undefined
  }

  failed(reason: unknown): void {
    this.#failure = { reason }
    this.#waiter?.done.reject(reason)
    this.#hex.reject(reason)
  }

  /** Drops the hash, whether or not it has ended. */
  [Symbol.dispose](): void {
    this.#options.tell({ id: this.#options.id, isWanted: false })
    this.#options.ended()
  }
}
