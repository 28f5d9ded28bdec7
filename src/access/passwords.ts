import { createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { RegistryError } from '../oci/errors.ts'
import type { Compare } from './bcrypt.ts'

export interface PasswordsOptions {
  /** The current bcrypt hashes, by user. */
  readonly users: () => ReadonlyMap<string, string>
  readonly compare: Compare
}

/**
 * Reports whether `password` is the password of `user`, a client at `address`.
 *
 * @throws RegistryError TOOMANYREQUESTS
 */
export type Passwords = (user: string, password: string, address: string) => Promise<boolean>

/** Milliseconds. */
const CACHED_FOR = 60_000
const MOST_CACHED = 10_000
/**
 * Comparisons that wait, in total and for one address, so that a client that guesses does not lock out
 * others.
 */
const MOST_WAITING = 32
const MOST_WAITING_BY_ADDRESS = 4

/**
 * Checks passwords by bcrypt, and compares each at most once a minute. The cache is keyed by an HMAC under a
 * secret of this process, over the hash too, so that a changed password makes its old entries unreachable.
 */
export function passwords({ users, compare }: PasswordsOptions): Passwords {
  const key = randomBytes(32)
  const outcomes = new LRUCache<string, boolean>({ max: MOST_CACHED, ttl: CACHED_FOR })
  const running = new Map<string, Promise<boolean>>()
  const waiting = new Map<string, number>()

  return async function isRight(user, password, address) {
    const known = users()
    // An unknown user takes as long to refuse as a known one.
    const hash = known.get(user) ?? known.values().next().value
    if (hash === undefined) return false
    const memo = createHmac('sha256', key)
      .update(JSON.stringify([user, password, hash]))
      .digest('base64')
    const cached = outcomes.get(memo)
    if (cached !== undefined) return cached && known.has(user)
    const comparison = running.get(memo) ?? begin(memo, password, hash, address)
    return (await comparison) && known.has(user)
  }

  function begin(memo: string, password: string, hash: string, address: string): Promise<boolean> {
    const own = waiting.get(address) ?? 0
    if (running.size >= MOST_WAITING || own >= MOST_WAITING_BY_ADDRESS) {
      throw new RegistryError('TOOMANYREQUESTS', { reason: 'too many logins are being checked' })
    }
    waiting.set(address, own + 1)
    const comparison = compare(password, hash)
      .then((isSame) => {
        outcomes.set(memo, isSame)
        return isSame
      })
      .finally(() => {
        running.delete(memo)
        const left = waiting.get(address)! - 1
        if (left === 0) waiting.delete(address)
        else waiting.set(address, left)
      })
    running.set(memo, comparison)
    return comparison
  }
}
