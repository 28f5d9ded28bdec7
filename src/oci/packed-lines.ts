const NEWLINE = 0x0a

/**
 * Values that are kept as bytes, one to a line, and made one at a time: thousands of strings that live for a
 * while are work for the garbage collector, and hold the event loop up for it.
 */
export class PackedLines<T> implements Iterable<T> {
  readonly length: number
  readonly #bytes: Buffer
  readonly #parse: (line: string) => T
  /** Of every line, with its newline. */
  readonly #width: number | undefined

  /**
   * `bytes` are `length` lines of ASCII, each with its newline. `width` is their length in bytes where it is the
   * same for all: nobody has to look for their ends then.
   */
  constructor(bytes: Buffer, length: number, parse: (line: string) => T, width?: number) {
    this.length = length
    this.#bytes = bytes
    this.#parse = parse
    this.#width = width
  }

  *[Symbol.iterator](): Generator<T> {
    for (let from = 0; from < this.#bytes.length;) {
      const end = this.#endOf(from)
      yield this.#parse(this.#bytes.toString('latin1', from, end))
      from = end + 1
    }
  }

  /** The same in slices of `size` lines, the last of which may be shorter. */
  slices(size: number): readonly PackedLines<T>[] {
    const slices: PackedLines<T>[] = []
    let from = 0
    for (let left = this.length; left > 0; left -= size) {
      const length = Math.min(size, left)
      let end = from + length * (this.#width ?? 0)
      if (this.#width === undefined) for (let i = 0; i < length; i++) end = this.#endOf(end) + 1
      slices.push(new PackedLines(this.#bytes.subarray(from, end), length, this.#parse, this.#width))
      from = end
    }
    return slices
  }

  /** Where the newline is of the line that begins there. */
  #endOf(start: number): number {
    return this.#width === undefined ? this.#bytes.indexOf(NEWLINE, start) : start + this.#width - 1
  }
}
