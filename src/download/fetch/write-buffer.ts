/** Bytes. A write to disk has a fixed cost, which no longer shows from about this size on. */
const PIECE = 512 * 1024
/** Of a blob that is nearly complete, or that turns out to be shorter than was said. */
const SMALLEST = 64 * 1024
/**
 * One piece collects, one is being written, and one holds what was written last for readers that follow
 * closely.
 */
const PIECES = 3

/**
 * Collects the bytes that arrive while earlier ones are being written. A slow body is written chunk by chunk
 * without a copy, a fast one in large pieces. It holds at most three pieces of 512 KiB, and none before it
 * needs one.
 */
export class WriteBuffer {
  readonly #write: (bytes: Buffer) => Promise<void>
  readonly #pieces: Buffer[] = []
  /** Which piece collects. */
  #turn = 0
  #collected = 0
  #writing: Promise<void> | undefined
  #failure: { readonly reason: unknown } | undefined

  readonly #size: number
  readonly #copies: boolean

  /**
   * `write` appends. The buffer leaves the bytes it passed unchanged until the next write has ended.
   * `expected`: how many bytes come at most, so that a small blob takes a small piece. `copies`: whether it
   * copies what comes during a write, rather than wait.
   */
  constructor(
    write: (bytes: Buffer) => Promise<void>,
    { expected = Infinity, copies = true }: { readonly expected?: number; readonly copies?: boolean } = {},
  ) {
    this.#write = write
    this.#copies = copies
    this.#size = Math.min(PIECE, Math.max(SMALLEST, expected))
  }

  /** Bytes of memory that are held. */
  get allocated(): number {
    return this.#pieces.length * this.#size
  }

  /**
   * Takes the bytes that follow the last ones.
   *
   * @returns a promise to wait for before adding more; undefined when there is room now.
   * @throws the error of an earlier write.
   */
  add(chunk: Buffer): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.reason
    if (this.#writing === undefined) {
      this.#begin(chunk)
      return undefined
    }
    if (!this.#copies) return this.#writing.then(() => this.add(chunk))
    const piece = (this.#pieces[this.#turn] ??= Buffer.allocUnsafeSlow(this.#size))
    const taken = chunk.copy(piece, this.#collected)
    this.#collected += taken
    if (this.#collected < this.#size) return undefined
    return this.#writing.then(() => (taken < chunk.length ? this.add(chunk.subarray(taken)) : undefined))
  }

  /**
   * Resolves when all bytes are written.
   *
   * @throws the error of a write, after which nothing more is written
   */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    if (this.#failure !== undefined) throw this.#failure.reason
  }

  #begin(bytes: Buffer): void {
    this.#writing = this.#write(bytes).then(
      () => this.#proceed(),
      (reason: unknown) => {
        this.#writing = undefined
        this.#failure = { reason }
      },
    )
  }

  #proceed(): void {
    this.#writing = undefined
    if (this.#collected === 0) return
    const bytes = this.#pieces[this.#turn]!.subarray(0, this.#collected)
    this.#turn = (this.#turn + 1) % PIECES
    this.#collected = 0
    this.#begin(bytes)
  }
}
