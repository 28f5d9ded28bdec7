import type { LineSink, LineSource } from '../../http/access-log.ts'

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
/** Milliseconds until an output that did not take everything is tried again. It doubles from the first to the last. */
const RETRY = { first: 1, last: 50 }
/** Milliseconds that a process that ends waits for an output that takes nothing. */
const LAST_WAIT = 500
/** Bytes. What 20 ms gather is few writes, for each wakes up another thread, and memory is used as it fills. */
const BUFFER = 256 * 1024
/** Buffers that are kept for further lines. */
const SPARES = 4

/**
 * Writes lines in batches, one write at a time. A reader that is too slow, or has stopped, delays nobody:
 * what waits for it is bounded, and lines beyond that are dropped and counted.
 *
 * Lines become bytes at once. As strings they would outlive a collection of V8's young generation, which
 * copies what it keeps: that costs more than the lines themselves. Their buffers are used over and over: new
 * ones would outlive it too, and what has outlived two is freed by a collection of the whole heap only.
 */
export class LineWriter implements LineSink {
  readonly #output: LineOutput
  readonly #maxBytes: number
  readonly #dropped: LineWriterOptions['dropped']
  readonly #sources = new Set<LineSource>()
  /** What waits to be written, the oldest first. Each is the beginning of a buffer. */
  readonly #full: Buffer[] = []
  #fullBytes = 0
  #current: Buffer = Buffer.allocUnsafeSlow(BUFFER)
  #used = 0
  /** What is being written, and what is left of it. */
  #writing: Buffer | undefined
  #rest: Buffer = Buffer.alloc(0)
  readonly #spares: Buffer[] = []
  #isScheduled = false
  #isWriting = false
  #droppedLines = 0

  constructor(output: LineOutput, { maxBytes = 4 * 1024 * 1024, dropped }: LineWriterOptions) {
    this.#output = output
    this.#maxBytes = maxBytes
    this.#dropped = dropped
  }

  write(lines: string): void {
    if (lines === '') return
    if (this.#fullBytes + this.#used + this.#rest.length + lines.length > this.#maxBytes) {
      this.#droppedLines += lines.split('\n').length - 1
      return
    }
    this.#append(lines)
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
    if (this.#isWriting) {
      this.#rest = Buffer.alloc(0)
      this.#writing = undefined
    }
    this.#closeBatch()
    for (let waited = 0; this.#next() && waited < LAST_WAIT;) {
      const written = this.#output.writeSync(this.#rest)
      this.#rest = this.#rest.subarray(written)
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

  #append(lines: string): void {
    // UTF-8 takes at most three bytes for a code unit of a string.
    const room = lines.length * 3
    if (room > this.#current.length - this.#used) this.#push(room)
    this.#used += this.#current.write(lines, this.#used)
  }

  /** Has the current buffer written, and takes another one, with room for this many bytes. */
  #push(room: number): void {
    if (this.#used > 0) this.#full.push(this.#current.subarray(0, this.#used))
    else this.#keep(this.#current)
    this.#fullBytes += this.#used
    this.#used = 0
    const spare = room <= BUFFER ? this.#spares.pop() : undefined
    this.#current = spare ?? Buffer.allocUnsafeSlow(Math.max(BUFFER, room))
  }

  /** Keeps a buffer whose bytes have been written. */
  #keep({ buffer }: Buffer): void {
    if (buffer.byteLength === BUFFER && this.#spares.length < SPARES) this.#spares.push(Buffer.from(buffer))
  }

  /** Has everything written that has come so far. */
  #closeBatch(): void {
    for (const source of this.#sources) {
      this.#sources.delete(source)
      this.write(source.takeLines())
    }
    if (this.#droppedLines > 0) this.#append(this.#dropped(this.#droppedLines))
    this.#droppedLines = 0
    if (this.#used > 0) this.#push(0)
  }

  /** Writes a batch, and the buffers that become full meanwhile. What comes then waits for the next batch. */
  async #run(): Promise<void> {
    this.#closeBatch()
    let retryIn = RETRY.first
    while (this.#next()) {
      this.#isWriting = true
      const wanted = this.#rest.length
      const written = await this.#output.write(this.#rest)
      this.#isWriting = false
      this.#rest = this.#rest.subarray(written)
      if (written > 0) retryIn = RETRY.first
      // An output that is full now takes nothing at once: to try it costs more than to write.
      if (written === wanted) continue
      await new Promise<void>((resolve) => setTimeout(resolve, retryIn).unref())
      retryIn = Math.min(2 * retryIn, RETRY.last)
    }
    this.#isScheduled = false
    if (this.#used > 0 || this.#sources.size > 0 || this.#droppedLines > 0) this.#schedule()
  }

  /** Takes the next buffer when the last one has been written. @returns whether there is one */
  #next(): boolean {
    if (this.#rest.length > 0) return true
    if (this.#writing !== undefined) this.#keep(this.#writing)
    const next = this.#full.shift()
    this.#writing = next
    if (next === undefined) return false
    this.#fullBytes -= next.length
    this.#rest = next
    return true
  }
}
