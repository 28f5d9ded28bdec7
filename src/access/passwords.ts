import { createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { addressGroup } from '../util/address-group.ts'
import type { Compare } from './bcrypt.ts'
import { loginQueue } from './login-queue.ts'

export interface PasswordsOptions {
  /** The current bcrypt hashes, by user. */
  readonly users: () => ReadonlyMap<string, string>
  readonly compare: Compare
}

/**
 * Reports whether `password` is the password of `user`, a client at `address`. One of more than 72 bytes is
 * not.
 *
 * @throws RegistryError TOOMANYREQUESTS
 */
export type Passwords = (user: string, password: string, address: string) => Promise<boolean>

/** Milliseconds. */
const CACHED_FOR = 60_000
const MOST_CACHED = 10_000
/** A client that logged in is known for this long. */
const KNOWN_FOR = 7 * 86_400_000
const MOST_KNOWN = 10_000
/** Bytes that bcrypt reads. Of a longer password it would ignore the rest. */
const LONGEST = 72

/**
 * Checks passwords by bcrypt, and compares each at most once a minute. The cache is keyed by an HMAC under a
 * secret of this process, over the hash too, so that a changed password makes its old entries unreachable.
 */
export function passwords({ users, compare }: PasswordsOptions): Passwords {
  const key = randomBytes(32)
  const outcomes = new LRUCache<string, boolean>({ max: MOST_CACHED, ttl: CACHED_FOR })
  const known = new LRUCache<string, true>({ max: MOST_KNOWN, ttl: KNOWN_FOR })
  const running = new Map<string, Promise<boolean>>()
  const queue = loginQueue()

  return async function isRight(user, password, address) {
    if (Buffer.byteLength(password) > LONGEST) return false
    const current = users()
    // An unknown user takes as long to refuse as a known one.
    const hash = current.get(user) ?? current.values().next().value
    if (hash === undefined) return false
    const memo = createHmac('sha256', key)
      .update(JSON.stringify([user, password, hash]))
      .digest('base64')
    const cached = outcomes.get(memo)
    if (cached !== undefined) return cached && current.has(user)
    const client = addressGroup(address)
    const login = JSON.stringify([client, user])
    const comparison = running.get(memo) ?? begin(memo, client, known.has(login), password, hash)
    const isSame = (await comparison) && current.has(user)
    if (isSame) known.set(login, true)
    return isSame
  }

  function begin(memo: string, client: string, isKnown: boolean, password: string, hash: string) {
    const comparison = queue
      .run(client, isKnown, () => compare(password, hash))
      .then((isSame) => {
        outcomes.set(memo, isSame)
        return isSame
      })
      .finally(() => running.delete(memo))
    running.set(memo, comparison)
    return comparison
  }
}
