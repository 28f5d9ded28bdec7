import type { LineSink, LineSource } from '../../http/request-log.ts'

/** What a `LineWriter` writes to. */
export interface LineOutput {
  /** Writes some of the bytes. Resolves with how many; 0 = none could be taken now. */
  write(bytes: Buffer): Promise<number>
  /** The same at once, for a process that ends. Never blocks. */
  writeSync(bytes: Buffer): number
}

export interface LineWriterOptions {
  /** Bytes that may wait for the output. Lines beyond them are dropped. */
  readonly maxBytes?: number
  /** The line that says how many were dropped. */
  readonly dropped: (count: number) => string
}

/** Milliseconds that lines are gathered. */
const GATHER = 20
/** Milliseconds until an output that took nothing is tried again. It doubles from the first to the last. */
const RETRY = { first: 1, last: 50 }
/** Milliseconds that a process that ends waits for an output that takes nothing. */
const LAST_WAIT = 500

const NOTHING = Buffer.alloc(0)

/**
 * Writes lines in batches, one write at a time. A reader that is too slow, or has stopped, delays nobody: what
 * waits for it is bounded, and lines beyond that are dropped and counted.
 */
export class LineWriter implements LineSink {
  readonly #output: LineOutput
  readonly #maxBytes: number
  readonly #dropped: LineWriterOptions['dropped']
  readonly #sources = new Set<LineSource>()
  /** Gathered, not yet encoded. */
  #lines = ''
  /** Of the batch that is being written. */
  #rest: Buffer = NOTHING
  #isScheduled = false
  #isWriting = false
  #droppedLines = 0

  constructor(output: LineOutput, { maxBytes = 4 * 1024 * 1024, dropped }: LineWriterOptions) {
    this.#output = output
    this.#maxBytes = maxBytes
    this.#dropped = dropped
  }

  write(lines: string): void {
    if (this.#lines.length + this.#rest.length + lines.length > this.#maxBytes) {
      this.#droppedLines += countLines(lines)
      return
    }
    this.#lines += lines
    this.#schedule()
  }

  writeLater(source: LineSource): void {
    this.#sources.add(source)
    this.#schedule()
  }

  /**
   * Writes what is left, for a process that ends. A batch that another thread is writing just then is left to
   * it. Gives up on an output that takes nothing for half a second.
   */
  flushSync(): void {
    this.#gather()
    const next = Buffer.from(this.#lines)
    let left = this.#isWriting ? next : Buffer.concat([this.#rest, next])
    this.#lines = ''
    if (!this.#isWriting) this.#rest = NOTHING
    for (let waited = 0; left.length > 0 && waited < LAST_WAIT;) {
      const written = this.#output.writeSync(left)
      left = left.subarray(written)
      if (written > 0) continue
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      waited += 10
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setTimeout(() => void this.#run(), GATHER).unref()
  }

  /** Runs until nothing is left to write. */
  async #run(): Promise<void> {
    let retryIn = RETRY.first
    while (this.#next()) {
      this.#isWriting = true
      const written = await this.#output.write(this.#rest)
      this.#isWriting = false
      this.#rest = this.#rest.subarray(written)
      if (written > 0) {
        retryIn = RETRY.first
        continue
      }
      await new Promise<void>((resolve) => setTimeout(resolve, retryIn).unref())
      retryIn = Math.min(2 * retryIn, RETRY.last)
    }
    this.#isScheduled = false
    if (this.#lines !== '' || this.#sources.size > 0) this.#schedule()
  }

  /** Makes the next batch when the last one has been written. @returns whether there is something to write */
  #next(): boolean {
    if (this.#rest.length > 0) return true
    this.#gather()
    this.#rest = Buffer.from(this.#lines)
    this.#lines = ''
    return this.#rest.length > 0
  }

  #gather(): void {
    for (const source of this.#sources) {
      this.#sources.delete(source)
      this.write(source.takeLines())
    }
    if (this.#droppedLines === 0 || this.#rest.length > 0) return
    this.#lines += this.#dropped(this.#droppedLines)
    this.#droppedLines = 0
  }
}

function countLines(text: string): number {
  return text.split('\n').length - 1
}
