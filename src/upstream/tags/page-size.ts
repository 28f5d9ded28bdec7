/**
 * How many tags a page may have at an upstream, learnt from what it refuses: more than 100 or 1,000 are an
 * error at some (renovate#6885, quay#2884).
 */
export class PageSize {
  #rank = 0

  /** undefined = as many as the upstream likes. */
  get n(): number | undefined {
    return SIZES[this.#rank]
  }

  /**
   * The next smaller size to try after `n` was refused with `status`; 'none' when the size cannot be the
   * reason.
   */
  static below(n: number | undefined, status: number): number | undefined | 'none' {
    if (n === undefined || !REFUSALS.has(status)) return 'none'
    return SIZES.find((size) => size === undefined || size < n)
  }

  /** A larger page was refused, and one of `n` was not. */
  learn(n: number | undefined): void {
    this.#rank = Math.max(this.#rank, SIZES.indexOf(n))
  }
}

const SIZES = [1000, 500, 250, 100, undefined]
const REFUSALS = new Set([400, 405, 413, 414, 416, 422])
