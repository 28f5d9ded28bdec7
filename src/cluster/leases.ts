import type { Statements } from './database.ts'
import { ignoreAway } from './ignore-away.ts'

/** Who does what only one replica is to do at a time. */
export interface Holder {
  /** Where it is reached. */
  readonly address: string
  /** What the holder has said of its work. */
  readonly detail: string
}

export type Claim = 'own' | Holder

/**
 * Leases are for economy, never for correctness: content is what its digest says, so that two holders download
 * twice at worst.
 */
export interface Leases extends AsyncDisposable {
  /**
   * Takes the lease if nobody holds it, or its holder has not renewed it in time. It is renewed until it is
   * released. Another process at the address of this one is gone: it would read along from itself.
   *
   * @returns the holder, if it is another replica; undefined while the database is away
   */
  claim(key: string, detail?: string): Promise<Claim | undefined>
  /** Takes a lease for good, if nobody else has it. @returns whether this replica has it */
  keep(key: string): Promise<boolean>
  /**
   * Takes a lease for so many milliseconds, and does not renew it.
   *
   * @returns whether nobody else has it; undefined while the database is away
   */
  turn(key: string, milliseconds: number): Promise<boolean | undefined>
  /** Lets others take it. As often as it was claimed. */
  release(key: string): Promise<void>
  readonly held: number
}

export interface LeasesOptions {
  readonly database: Pick<Statements, 'query'>
  /** Names this process among all that ever ran. */
  readonly id: string
  /** Where the others reach it. */
  readonly address: string
}

/** Milliseconds. A replica that dies holds up what it had claimed for so long. */
export const EXPIRY = 5_000
const RENEW_EVERY = 1_500

const CLAIM = `WITH taken AS (
    INSERT INTO entrepot_leases (key, holder, address, detail, expires_at)
    VALUES ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 millisecond')
    ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, address = excluded.address,
        detail = excluded.detail, expires_at = excluded.expires_at
      WHERE entrepot_leases.expires_at < clock_timestamp() OR entrepot_leases.holder = excluded.holder
        OR entrepot_leases.address = excluded.address
    RETURNING holder, address, detail)
  SELECT holder, address, detail FROM taken
  UNION ALL SELECT holder, address, detail FROM entrepot_leases
    WHERE key = $1 AND NOT EXISTS (SELECT FROM taken)`

export function leases({ database, id, address }: LeasesOptions): Leases {
  /** How often each is claimed here, and what was said of it. */
  const held = new Map<string, { count: number; readonly detail: string }>()
  const timer = setInterval(() => void renew(), RENEW_EVERY).unref()

  async function renew(): Promise<void> {
    if (held.size === 0) return
    const asked = [...held.keys()]
    const renewed = await database
      .query<{ key: string }>(
        `UPDATE entrepot_leases SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
         WHERE holder = $1 AND key = ANY($2) RETURNING key`,
        [id, asked, EXPIRY],
      )
      .catch(ignoreAway)
    if (renewed === undefined) return
    const kept = new Set(renewed.map(({ key }) => key))
    // Another one has it, or the database has lost it: then the others are to find it again.
    for (const key of asked) {
      const lost = kept.has(key) ? undefined : held.get(key)
      if (lost === undefined) continue
      await ask(key, lost.detail)
      if (!held.has(key)) await give(key)
    }
  }

  async function give(key: string): Promise<void> {
    await database
      .query('DELETE FROM entrepot_leases WHERE key = $1 AND holder = $2', [key, id])
      .catch(ignoreAway)
  }

  async function ask(key: string, detail = '', expiry = EXPIRY): Promise<Claim | undefined> {
    // Another one may be taking it in the same moment, and cannot be seen yet.
    for (let tries = 0; tries < 3; tries++) {
      const rows = await database
        .query<Holder & { readonly holder: string }>(CLAIM, [key, id, address, detail, expiry])
        .catch(ignoreAway)
      if (rows === undefined) return undefined
      const [row] = rows
      if (row === undefined) continue
      return row.holder === id ? 'own' : { address: row.address, detail: row.detail }
    }
    return undefined
  }

  return {
    async claim(key, detail = '') {
      const claim = await ask(key, detail)
      if (claim === 'own') held.set(key, { count: (held.get(key)?.count ?? 0) + 1, detail })
      return claim
    },
    async keep(key) {
      const isOwn = (await ask(key)) === 'own'
      if (isOwn) held.set(key, { count: 1, detail: '' })
      else held.delete(key)
      return isOwn
    },
    async turn(key, milliseconds) {
      const claim = await ask(key, '', milliseconds)
      return claim && claim === 'own'
    },
    async release(key) {
      const lease = held.get(key)
      if (lease !== undefined && --lease.count > 0) return
      held.delete(key)
      await give(key)
    },
    get held() {
      return held.size
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      if (held.size === 0) return
      held.clear()
      await database.query('DELETE FROM entrepot_leases WHERE holder = $1', [id]).catch(ignoreAway)
    },
  }
}
