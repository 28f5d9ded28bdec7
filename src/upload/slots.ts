/** Limits how many run at once, first come, first served. */
export class Slots {
  readonly #most: () => number
  readonly #waiting = new Set<() => void>()
  #taken = 0

  /** `most` is asked each time: it may change. */
  constructor(most: () => number) {
    this.#most = most
  }

  /** Waits for a place, which is free again when it is disposed. @throws the signal's reason */
  async enter(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    if (this.#taken >= this.#most()) await this.#wait(signal)
    else this.#taken += 1
    let isHeld = true
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return
        isHeld = false
        this.#taken -= 1
        this.#admit()
      },
    }
  }

  #admit(): void {
    for (const proceed of this.#waiting) {
      if (this.#taken >= this.#most()) return
      this.#taken += 1
      proceed()
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(proceed)
        signal?.removeEventListener('abort', abort)
      }
      const proceed = (): void => {
        leave()
        resolve()
      }
      const abort = (): void => {
        leave()
        reject(signal?.reason as Error)
      }
      this.#waiting.add(proceed)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }
}
