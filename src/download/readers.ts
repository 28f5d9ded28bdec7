import { untilAborted } from '../util/until-aborted.ts'

interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The readers of one download, and the positions they wait for. */
export class Readers {
  readonly #waiters = new Set<Waiter>()
  readonly #subscriptions = new Set<Subscription>()

  get count(): number {
    return this.#subscriptions.size
  }

  /** The positions that readers wait for, the longest wait first. */
  *positions(): Iterable<number> {
    for (const { position } of this.#waiters) yield position
  }

  subscribe(): Subscription {
    const subscription = new Subscription(this.#waiters, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Wakes the readers at the positions that are ready. */
  wake(isReady: (position: number) => boolean): void {
    for (const waiter of this.#waiters) if (isReady(waiter.position)) waiter.resolve()
  }

  /** Ends every wait with `error`. */
  fail(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}

/** One reader's share in a download. Disposing it ends whatever the reader waits for. */
export class Subscription implements Disposable {
  readonly #waiters: Set<Waiter>
  readonly #ended: () => void
  readonly #left = new AbortController()

  constructor(waiters: Set<Waiter>, ended: () => void) {
    this.#waiters = waiters
    this.#ended = ended
  }

  /** @throws when the subscription has been disposed. */
  check(): void {
    this.#left.signal.throwIfAborted()
  }

  /** Waits for `promise` until `signal` aborts or the subscription is disposed. */
  until<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
    const { signal: left } = this.#left
    return untilAborted(promise, signal === undefined ? left : AbortSignal.any([left, signal]))
  }

  /** Waits until `Readers.wake` finds `position` ready. @throws when the readers fail, or the subscription is disposed */
  async wait(position: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter = { position, resolve, reject }
    this.#waiters.add(waiter)
    try {
      await untilAborted(promise, this.#left.signal)
    } finally {
      this.#waiters.delete(waiter)
    }
  }

  [Symbol.dispose](): void {
    if (this.#left.signal.aborted) return
    this.#ended()
    this.#left.abort()
  }
}
