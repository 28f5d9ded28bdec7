/**
 * Tells the readers of a download its size, with which they begin. A slow source may tell it too late for
 * them, so that it can be promised before the source has confirmed anything: to those who know the same size,
 * for it comes from a manifest of one repository, and may be wrong (SEC-72).
 */
export class Announcement {
  readonly #told = Promise.withResolvers<number | undefined>()
  readonly #promised = Promise.withResolvers<number>()
  #isPromised = false

  constructor() {
    this.#told.promise.catch(() => {})
  }

  /**
   * What was told first to a reader who expects `expected` bytes, if it knows: the size in bytes, or undefined
   * for a blob that the source does not have. Rejects with the failure.
   */
  size(expected: number | undefined): Promise<number | undefined> {
    const { promise: told } = this.#told
    if (expected === undefined) return told
    const promised = this.#promised.promise.then((size) => (size === expected ? size : told))
    return Promise.race([told, promised])
  }

  get isPromised(): boolean {
    return this.#isPromised
  }

  tell(size: number | undefined): void {
    this.#told.resolve(size)
  }

  fail(reason: unknown): void {
    this.#told.reject(reason)
  }

  /**
   * Promises `size` `after` so many milliseconds if that is still needed. Does nothing without either of them,
   * or for an empty blob.
   *
   * @returns disposing of it withdraws the promise
   */
  promise(size: number | undefined, after: number | undefined, isNeeded: () => boolean): Disposable {
    const timers = new DisposableStack()
    if (after === undefined || size === undefined || size === 0) return timers
    const promise = (): void => {
      if (!isNeeded()) return
      this.#isPromised = true
      this.#promised.resolve(size)
    }
    timers.adopt(setTimeout(promise, after), clearTimeout)
    return timers
  }
}
