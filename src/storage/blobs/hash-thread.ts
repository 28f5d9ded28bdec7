import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../util/async/start-thread.ts'
import { COUNTER, usesOf } from '../../util/shared-piece.ts'
import { type HashedCount, hashInThread, type HashAnswer, type HashMessage } from './hash-in-thread.ts'

const MiB = 1024 * 1024
/** Bytes of content that is worth the start of the thread, and its 15 MiB of memory. */
const LONG = 96 * MiB
/** One thread hashes as fast as the main one receives and sends. */
const AT_ONCE = 2
/**
 * Milliseconds. A thread that has nothing to do costs memory, and its start 20 ms of CPU, for which the next
 * blob waits.
 */
const IDLE = 60_000

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
    worker.ref()
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
    // Nothing waits for it. While a hash does, nothing else may keep the process.
    this.#worker?.unref()
    this.#idle = setTimeout(() => {
      const ending = this.#worker
      this.#worker = undefined
      void ending?.terminate()
    }, IDLE).unref()
  }
}

function openWorker(): Worker | undefined {
  // A file would have its types stripped anew, which takes three times as long and 15 MiB.
  return startThread(`(${hashInThread.toString()})(${COUNTER})`, {
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
  #added = 0
  readonly #hashed: HashedCount = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #hex = Promise.withResolvers<string>()
  #failure: { readonly reason: unknown } | undefined

  constructor(options: ThreadHashOptions) {
    this.#options = options
    // It may fail before anybody asks.
    this.#hex.promise.catch(() => {})
  }

  begin(algorithm: string): void {
    const { id, tell } = this.#options
    tell({ id, algorithm, hashed: this.#hashed })
  }

  /** Reads a shared piece later, until when its uses say so. Other memory is copied. */
  add(bytes: Uint8Array): void {
    const { id, tell } = this.#options
    this.#added += 1
    const uses = usesOf(bytes)
    if (uses === undefined) {
      const copy = new Uint8Array(bytes)
      return tell({ id, bytes: copy }, [copy.buffer])
    }
    Atomics.add(uses, 0, 1)
    tell({ id, bytes })
  }

  /** Resolves when at most `most` of the additions are not hashed. */
  async until(most: number): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason
      const hashed = Atomics.load(this.#hashed, 0)
      if (this.#added - hashed <= most) return
      await Atomics.waitAsync(this.#hashed, 0, hashed).value
    }
  }

  /** Ends the hash. */
  async hex(): Promise<string> {
    this.#options.tell({ id: this.#options.id, isWanted: true })
    return await this.#hex.promise
  }

  answered(hex: string): void {
    this.#hex.resolve(hex)
  }

  failed(reason: unknown): void {
    this.#failure = { reason }
    Atomics.notify(this.#hashed, 0)
    this.#hex.reject(reason)
  }

  /** Drops the hash, whether or not it has ended. */
  [Symbol.dispose](): void {
    this.#options.tell({ id: this.#options.id, isWanted: false })
    this.#options.ended()
  }
}
