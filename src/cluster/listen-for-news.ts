import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { connectionOf, type Database } from './database.ts'

/** Milliseconds after which it is tried again where a pooler lets nothing through, and where a connection ended. */
const BARRED_AGAIN = 30_000
const ENDED_AGAIN = 1_000
/** Milliseconds that the first word may take. */
const FIRST_WORD = 1_000

/**
 * Has the database say when there is news, by `LISTEN` on a connection of its own, until `signal` aborts.
 *
 * @param told runs when there may be news. `isThrough`: the next news will be told, too.
 */
export async function listenForNews(
  database: Database,
  signal: AbortSignal,
  told: (isThrough: boolean) => void,
): Promise<void> {
  while (!signal.aborted) {
    const isBarred = await listenOnce(database, signal, told).catch((error: unknown) => {
      if (!(error instanceof Error)) throw error
      return false
    })
    told(false)
    const pause = isBarred ? BARRED_AGAIN : ENDED_AGAIN
    await sleep(pause, undefined, { ref: false, signal }).catch(() => {})
  }
}

/** Listens until the connection ends. @returns whether nothing came through it from the beginning */
async function listenOnce(
  database: Database,
  signal: AbortSignal,
  told: (isThrough: boolean) => void,
): Promise<boolean> {
  const client = new Client(connectionOf(database.options))
  const ended = new Promise<void>((resolve) => {
    // A lost connection may tell two errors.
    client.once('end', resolve).on('error', () => resolve())
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const arrived = Promise.withResolvers<true>()
  client.on('notification', () => {
    arrived.resolve(true)
    told(true)
  })
  try {
    await client.connect()
    await client.query('LISTEN entrepot')
    await database.query("SELECT pg_notify('entrepot', '')")
    const isThrough = await Promise.race([arrived.promise, sleep(FIRST_WORD, false, { ref: false })])
    if (!isThrough) return true
    await ended
    return false
  } finally {
    // A connection that is half dead does not answer its end.
    await Promise.race([client.end().catch(() => {}), sleep(1_000, undefined, { ref: false })])
  }
}
