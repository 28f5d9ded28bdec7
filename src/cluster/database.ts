import { Pool, type PoolConfig } from 'pg'
import { RegistryError } from '../oci/errors.ts'
import { SHARED_INDEX } from '../ports/cluster.ts'
import { circuit } from '../util/circuit.ts'
import type { Trouble } from '../ports/insight/insight.ts'
import { databaseTrouble } from './database-trouble.ts'
import { migrate } from './migrations.ts'

export interface DatabaseOptions {
  /** A connection string, `postgres://user@host/database`. */
  readonly url: string
  readonly password?: string | undefined
  /** A statement was answered; `reason` says how it failed. */
  readonly asked: (seconds: number, reason?: string) => void
  /** Tables were missing, and were made again: what the others know of this replica is to be told again. */
  readonly restored?: () => void
  /** Epoch milliseconds, of this replica. */
  readonly now: () => number
}

export type Row = Readonly<Record<string, unknown>>

/** Milliseconds that a pull waits for a connection, and for a statement: upstream is then the faster one. */
const CONNECT_TIMEOUT = 1_500
const STATEMENT_TIMEOUT = 2_000
const CONNECTIONS = 8
/** Milliseconds by which clocks may differ without being corrected. */
const SAME_CLOCK = 1_000

/** The statements that every replica of a cluster runs on its database. */
export interface Statements {
  /**
   * Runs one statement.
   *
   * @throws RegistryError STORAGE, at once while the database has just failed
   */
  query<R extends object = Row>(text: string, values?: readonly unknown[]): Promise<readonly R[]>
  /** An instant of this replica's clock as one of the database's, and back. Clocks of replicas may differ. */
  toShared(instant: number): number
  fromShared(instant: number): number
}

/**
 * The database that the replicas of a cluster share. It may be away: it is then tried again by itself, and
 * every statement fails at once meanwhile. Nothing depends on the session, so that a pooler in transaction
 * mode may be in between.
 */
export class Database implements Statements, AsyncDisposable {
  readonly options: DatabaseOptions
  readonly #pool: Pool
  readonly #circuit = circuit(() => performance.now(), 2_000)
  #migration: Promise<void> | undefined
  #clockAhead = 0
  #outage: string | undefined

  constructor(options: DatabaseOptions) {
    this.options = options
    this.#pool = new Pool({ ...connectionOf(options), max: CONNECTIONS, idleTimeoutMillis: 30_000 })
    // Of a connection that nobody uses. Who uses one learns it by its statement.
    this.#pool.on('error', () => {})
  }

  // Fields, because the parts take single functions of it.
  readonly query = async <R extends object = Row>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly R[]> => {
    if (!this.#circuit.mayTry()) throw unavailable(this.#lastReason())
    const startedAt = performance.now()
    let isMigrated = false
    try {
      const migration = this.#migrated()
      await migration
      isMigrated = true
      const ask = () => this.#pool.query<R>(text, [...values])
      const { rows } = await ask().catch(async (error: unknown) => {
        // A restart of the database ends idle connections. Every statement may be repeated.
        if (!isCut(error) && !isOfSchema(error)) throw error
        if (isOfSchema(error)) await this.#restore(migration)
        return ask()
      })
      this.#answered()
      this.options.asked((performance.now() - startedAt) / 1000)
      return rows
    } catch (error) {
      const reason = reasonOf(error)
      // What the database says of a statement is no outage of it.
      if (isMigrated && isRefusal(error)) this.#answered()
      else this.#failed(reason)
      this.options.asked((performance.now() - startedAt) / 1000, reason)
      throw unavailable(reason, error)
    }
  }

  /** Why it was away when it was asked last. */
  get trouble(): Trouble | undefined {
    return this.#outage === undefined ? undefined : databaseTrouble(this.#outage)
  }

  /** Makes what is missing of the schema. @throws RegistryError STORAGE */
  async restore(): Promise<void> {
    await this.#restore(this.#migration).catch((error: unknown) => {
      throw unavailable(reasonOf(error), error)
    })
  }

  readonly toShared = (instant: number): number => instant + this.#clockAhead

  readonly fromShared = (instant: number): number => instant - this.#clockAhead

  /** Learns how far the clock of the database is ahead of this replica's. */
  learnClock(shared: number): void {
    const ahead = Math.round(shared - this.options.now())
    if (Math.abs(ahead - this.#clockAhead) < SAME_CLOCK) return
    this.#clockAhead = Math.abs(ahead) < SAME_CLOCK ? 0 : ahead
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end()
  }

  #answered(): void {
    this.#circuit.succeeded()
    this.#outage = undefined
  }

  #failed(reason: string): void {
    this.#circuit.failed()
    this.#outage = reason
  }

  /** Of a statement that is not sent: why the last one failed, unless that was for what it said. */
  #lastReason(): string {
    return this.#outage === undefined || isRefusedFor(this.#outage) ? 'out' : this.#outage
  }

  #migrated(): Promise<void> {
    this.#migration ??= migrate(this.#pool).catch((error: unknown) => {
      this.#migration = undefined
      throw error
    })
    return this.#migration
  }

  /** Once, for all statements that found what `before` had made gone. */
  async #restore(before: Promise<void> | undefined): Promise<void> {
    const isFirst = this.#migration === before
    if (isFirst) this.#migration = undefined
    await this.#migrated()
    if (isFirst) this.options.restored?.()
  }
}

/** Of a single connection as of a pool. */
export function connectionOf({ url, password }: Pick<DatabaseOptions, 'url' | 'password'>): PoolConfig {
  return {
    connectionString: url,
    ...(password !== undefined && { password }),
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: STATEMENT_TIMEOUT,
    keepAlive: true,
    application_name: 'entrepot',
  }
}

function unavailable(reason: string, cause?: unknown): RegistryError {
  return new RegistryError('STORAGE', { operation: SHARED_INDEX, reason }, { cause })
}

/** What the client says without a code. */
const BY_MESSAGE = [
  [/timeout/i, 'ETIMEDOUT'],
  [/password must be/, 'no password'],
  [/does not support SSL/, 'no TLS'],
] as const

/** SQLSTATE, or the code of the system. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'connection failed'
  if ('code' in error && typeof error.code === 'string') return error.code
  return BY_MESSAGE.find(([message]) => message.test(error.message))?.[1] ?? 'connection failed'
}

/** The connection was cut, before this statement or during it. */
function isCut(error: unknown): boolean {
  return /^(?:57P01|ECONNRESET|EPIPE|connection failed)$/.test(reasonOf(error))
}

/** A table or a column is missing: somebody has emptied the database, or replaced it. */
function isOfSchema(error: unknown): boolean {
  return /^(?:42P01|42703)$/.test(reasonOf(error))
}

function isRefusal(error: unknown): boolean {
  return isRefusedFor(reasonOf(error))
}

/**
 * Whether a statement is refused again, however often it is sent: for its data, integrity or syntax. What is
 * missing, or not allowed, an operator mends.
 *
 * @param reason as in the detail of an error
 */
export function isRefusedFor(reason: string): boolean {
  return /^(?:22|23|42)[0-9A-Z]{3}$/.test(reason) && !/^(?:42P01|42703|42501)$/.test(reason)
}
