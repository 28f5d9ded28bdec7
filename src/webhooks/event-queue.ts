/** One event as it will be sent. */
export interface QueuedEvent {
  /** The same in every process that is told of this event. */
  readonly id: string
  readonly body: string
}

export interface QueueLimits {
  readonly events: number
  /** Of all bodies together. */
  readonly bytes: number
}

/**
 * Events that wait for their receiver, the oldest first. When there is no room the oldest go, for the newest
 * say what holds; only the first, which may be on its way, stays.
 */
export class EventQueue {
  readonly #limits: QueueLimits
  readonly #events: QueuedEvent[] = []
  #bytes = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get first(): QueuedEvent | undefined {
    return this.#events[0]
  }

  get length(): number {
    return this.#events.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @returns how many events were dropped, this one included */
  add(event: QueuedEvent): number {
    this.#events.push(event)
    this.#bytes += Buffer.byteLength(event.body)
    let dropped = 0
    while (this.#events.length > 1 && this.#isOver()) {
      const [oldest] = this.#events.splice(1, 1)
      this.#bytes -= Buffer.byteLength(oldest!.body)
      dropped += 1
    }
    return dropped
  }

  /** Removes the first. */
  shift(): void {
    const event = this.#events.shift()
    if (event !== undefined) this.#bytes -= Buffer.byteLength(event.body)
  }

  #isOver(): boolean {
    return this.#events.length > this.#limits.events || this.#bytes > this.#limits.bytes
  }
}
