import { LRUCache } from 'lru-cache'

/** Milliseconds of its rate that a client gets at once. */
const BURST = 250
/** Clients remembered. One that is forgotten begins without debt. */
const MOST_CLIENTS = 10_000

/** Limits the bytes per second that go to one client, over all its connections: a token bucket each. */
export class ClientRates {
  readonly #bytesPerMs: number
  readonly #now: () => number
  /** When a client has paid for what it got, in milliseconds. */
  readonly #paidAt = new LRUCache<string, number>({ max: MOST_CLIENTS })

  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#now = now
  }

  /** Charges for bytes that went to `address`. @returns the milliseconds until it may get more */
  charge(address: string, bytes: number): number {
    const client = networkOf(address)
    const now = this.#now()
    const paidAt = Math.max(this.#paidAt.get(client) ?? -Infinity, now - BURST) + bytes / this.#bytesPerMs
    this.#paidAt.set(client, paidAt)
    return Math.max(0, paidAt - now)
  }
}

/** An IPv6 client has a /64, and may use any address of it. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  const [left = '', right] = address.split('::')
  const [head, tail] = [left, right ?? ''].map((part) => part.split(':').filter(Boolean))
  const zeros = Array<string>(Math.max(0, 8 - head!.length - tail!.length)).fill('0')
  return [...head!, ...zeros, ...tail!].slice(0, 4).join(':')
}
