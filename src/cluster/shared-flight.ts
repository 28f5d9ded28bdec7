import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { Leases } from './leases.ts'

/** Milliseconds between two looks at a lease of another replica, at first and at most. */
const LOOK_FIRST = 15
const LOOK_MOST = 250
/** Milliseconds after which nobody waits for another replica any more. */
const PATIENCE = 5_000

export interface SharedFlightOptions {
  /** Settles when what was committed here can be read by the others. */
  readonly settled: (digest: Digest) => Promise<void>
  readonly leases: Pick<Leases, 'claim' | 'release'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/**
 * Runs `ask` on one replica at a time. The others wait until it is done, and look with `found` for what it has
 * got. Whoever has waited long, or finds no database, asks for itself.
 */
export async function sharedFlight<T>(
  { leases, settled, now }: SharedFlightOptions,
  key: string,
  found: () => Promise<T | undefined>,
  ask: () => Promise<T>,
  stored: (answer: T) => Digest | undefined,
): Promise<T> {
  const giveUpAt = now() + PATIENCE
  for (let wait = LOOK_FIRST; ; wait = Math.min(LOOK_MOST, wait * 2)) {
    const claim = await leases.claim(key)
    if (claim === 'own') {
      try {
        const value = (await found()) ?? (await ask())
        const digest = stored(value)
        // Whoever asked here does not wait for what the others need.
        void Promise.resolve(digest && settled(digest)).then(() => leases.release(key))
        return value
      } catch (error) {
        await leases.release(key)
        throw error
      }
    }
    if (claim === undefined || now() > giveUpAt) return ask()
    await sleep(wait * (0.5 + Math.random()))
    const value = await found()
    if (value !== undefined) return value
  }
}
