import { createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { RegistryError } from '../oci/errors.ts'
import type { Compare } from './bcrypt.ts'

export interface PasswordsOptions {
  /** bcrypt hashes by user, as they are now. */
  readonly users: () => ReadonlyMap<string, string>
  readonly compare: Compare
}

/** Whether `password` is that of `user`, who asks from `address`. @throws RegistryError TOOMANYREQUESTS */
export type Passwords = (user: string, password: string, address: string) => Promise<boolean>

/** Milliseconds. */
const REMEMBERED_FOR = 60_000
const MOST_REMEMBERED = 10_000
/** Comparisons that wait for their turn: of all, and of one address, so that one who guesses does not keep the others out. */
const MOST_WAITING = 32
const MOST_WAITING_BY_ADDRESS = 4

/**
 * Passwords by bcrypt, each compared once a minute however often it is used. What is remembered is an HMAC under a key that
 * nobody else has, over the hash too: when the file says another password, nothing is remembered of the old one.
 */
export function passwords({ users, compare }: PasswordsOptions): Passwords {
  const key = randomBytes(32)
  const outcomes = new LRUCache<string, boolean>({ max: MOST_REMEMBERED, ttl: REMEMBERED_FOR })
  const running = new Map<string, Promise<boolean>>()
  const waiting = new Map<string, number>()

  return async function isRight(user, password, address) {
    const known = users()
    // Someone who is not there takes as long to refuse as someone who is.
    const hash = known.get(user) ?? known.values().next().value
    if (hash === undefined) return false
    const memo = createHmac('sha256', key)
      .update(JSON.stringify([user, password, hash]))
      .digest('base64')
    const remembered = outcomes.get(memo)
    if (remembered !== undefined) return remembered && known.has(user)
    const comparison = running.get(memo) ?? begin(memo, password, hash, address)
    return (await comparison) && known.has(user)
  }

  function begin(memo: string, password: string, hash: string, address: string): Promise<boolean> {
    const own = waiting.get(address) ?? 0
    if (running.size >= MOST_WAITING || own >= MOST_WAITING_BY_ADDRESS) {
      throw new RegistryError('TOOMANYREQUESTS', { reason: 'too many passwords are being checked' })
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
