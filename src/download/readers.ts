import { randomUUID } from 'node:crypto'
import type { Descriptor } from '../oci/descriptor.ts'
import type { BlobReader, BytesSharing, LentBytes } from '../ports/blob-store.ts'
import { throttle } from '../util/async/throttle.ts'
import { untilAborted } from '../util/async/until-aborted.ts'

/** Milliseconds between two wake-ups: without a pause, close followers would read in tiny pieces. */
const WAKE_EVERY = 4
/** Bytes that wake readers at once. */
const WORTH_WAKING = 256 * 1024

/** Made once: the stack of an error costs more than the rest of leaving. */
const LEFT = new DOMException('the reader has left', 'AbortError')

/** The bytes of a blob that is still arriving. */
export interface ArrivingBytes {
  /** Why no more bytes will arrive; undefined while they may. */
  failure(): { readonly reason: unknown } | undefined
  /** The end of what may be read from `position` on; `position` itself when nothing may be read yet. */
  readableFrom(position: number): number
  /** Reads what may be read. @returns how many bytes, at least one */
  read(buffer: Buffer, position: number): number | Promise<number>
  /** Lends some of what may be read, up to `end`. @returns undefined when it is not in shared memory */
  lend(position: number, end: number): LentBytes | undefined
  /** The last reader has left. */
  unread(): void
}

interface Waiter {
  readonly position: number
  readonly resolve: () => void
}

/** The readers of one download, and the positions they wait for. */
export class Readers {
  readonly #bytes: ArrivingBytes
  readonly #waiters = new Set<Waiter>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #sharing = { key: randomUUID(), took() {} }
  readonly #wakeInTime = throttle(WAKE_EVERY, WORTH_WAKING, () => this.wake())

  constructor(bytes: ArrivingBytes) {
    this.#bytes = bytes
  }

  get count(): number {
    return this.#subscriptions.size
  }

  /** The positions that readers wait for, the longest wait first. */
  *positions(): Iterable<number> {
    for (const { position } of this.#waiters) yield position
  }

  subscribe(): Subscription {
    const ended = (): void => {
      this.#subscriptions.delete(subscription)
      if (this.#subscriptions.size === 0) this.#bytes.unread()
    }
    const sharing = (): BytesSharing | undefined => (this.count > 1 ? this.#sharing : undefined)
    const subscription = new Subscription({ bytes: this.#bytes, waiters: this.#waiters, ended, sharing })
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** So many more bytes may be read. Readers that wait for them are woken a little later. */
  arrived(bytes: number): void {
    this.#wakeInTime(bytes)
  }

  /** Wakes the readers that can go on, and all of them after a failure. */
  wake(): void {
    const failure = this.#bytes.failure()
    for (const { position, resolve } of this.#waiters) {
      if (failure !== undefined || this.#bytes.readableFrom(position) > position) resolve()
    }
  }
}

interface SubscriptionOptions {
  readonly bytes: ArrivingBytes
  readonly waiters: Set<Waiter>
  readonly ended: () => void
  /** As `BlobReader.sharing`. */
  readonly sharing: () => BytesSharing | undefined
}

/** One reader's share in a download. Disposing it ends whatever the reader waits for. */
export class Subscription implements Disposable {
  readonly #bytes: ArrivingBytes
  readonly #waiters: Set<Waiter>
  readonly #ended: () => void
  readonly #sharing: () => BytesSharing | undefined
  readonly #left = new AbortController()

  constructor({ bytes, waiters, ended, sharing }: SubscriptionOptions) {
    this.#bytes = bytes
    this.#waiters = waiters
    this.#ended = ended
    this.#sharing = sharing
  }

  /** Waits for `promise` until `signal` aborts or the subscription is disposed. */
  until<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
    // A fifth of the cost of `AbortSignal.any`.
    return untilAborted(untilAborted(promise, signal), this.#left.signal)
  }

  /** Reads the blob as it arrives. Disposing the reader disposes the subscription. */
  reader(descriptor: Descriptor, { isPromised = false } = {}): BlobReader {
    const sharing = this.#sharing
    return {
      descriptor,
      // A reader that is alone has hotter memory without.
      get sharing() {
        return sharing()
      },
      ...(isPromised && { isPromised }),
      read: async (buffer, position) => {
        const end = await this.#readable(position, descriptor.size)
        const failure = this.#bytes.failure()
        if (failure !== undefined) throw failure.reason
        if (end === position) return 0
        return this.#bytes.read(buffer.subarray(0, Math.min(buffer.length, end - position)), position)
      },
      lend: async (position) => {
        const end = await this.#readable(position, descriptor.size)
        return end > position && this.#bytes.failure() === undefined
          ? this.#bytes.lend(position, end)
          : undefined
      },
      reread: async (buffer, position) => this.#bytes.read(buffer, position),
      [Symbol.asyncDispose]: async () => this[Symbol.dispose](),
    }
  }

  /**
   * Waits until bytes from `position` on may be read, or nothing more will come.
   *
   * @returns their end; `position` at the end of the blob and after a failure
   * @throws when the subscription is disposed
   */
  async #readable(position: number, size: number): Promise<number> {
    for (;;) {
      this.#left.signal.throwIfAborted()
      if (position >= size || this.#bytes.failure() !== undefined) return position
      const end = this.#bytes.readableFrom(position)
      if (end > position) return end
      await this.#wait(position)
    }
  }

  /** Waits until `Readers.wake` finds `position` ready. @throws when the subscription is disposed */
  async #wait(position: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiter = { position, resolve }
    this.#waiters.add(waiter)
    try {
      await untilAborted(promise, this.#left.signal)
    } finally {
      this.#waiters.delete(waiter)
    }
  }

  [Symbol.dispose](): void {
    if (this.#left.signal.aborted) return
    this.#left.abort(LEFT)
    this.#ended()
  }
}
