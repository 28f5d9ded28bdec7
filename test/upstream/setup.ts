import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { type ErrorCode, isRegistryError, type RegistryError } from '../../src/oci/errors.ts'
import type { UpstreamTelemetry } from '../../src/ports/telemetry.ts'
import type { UpstreamRepository } from '../../src/ports/upstream.ts'
import { upstreamClient } from '../../src/upstream/client.ts'
import type { UpstreamClientOptions } from '../../src/upstream/client-options.ts'
import { nodeTrust, type SystemTrust, upstreamTrust } from '../../src/upstream/net/trust-store.ts'

export interface Connected extends AsyncDisposable {
  readonly repository: (name?: string) => UpstreamRepository
  /** What the client told about itself, as `answered blob 200` and the like. */
  readonly told: string[]
  /** What it told last about its credentials: `accepted: host`. */
  readonly credentials: () => string | undefined
  /** Bytes of bodies. */
  readonly received: () => number
}

export interface ConnectOptions extends Partial<UpstreamClientOptions> {
  readonly systemTrust?: SystemTrust
  readonly ca?: string | undefined
  readonly caFile?: string
  readonly reloadFailed?: (problem: unknown) => void
}

/** A client of the registry at `url`, named `up`; `app` is its repository where none is named. */
export function connectTo(
  url: string,
  {
    systemTrust: system = nodeTrust(),
    ca,
    caFile: path,
    reloadFailed: failed = () => {},
    ...options
  }: ConnectOptions = {},
  others: Pick<UpstreamTelemetry, 'weighed'> = {},
): Connected {
  const told: string[] = []
  let received = 0
  let credentials: string | undefined
  const telemetry: UpstreamTelemetry = {
    credentials: (_, result, said) => void (credentials = `${result}: ${said}`),
    answered: (_, kind, status) => void told.push(`answered ${kind} ${status}`),
    received: (_, bytes) => void (received += bytes),
    rateLimit: (_, remaining) => void told.push(`remaining ${remaining}`),
    denied: () => void told.push('denied'),
    circuit: (_, state) => void told.push(state),
    ...others,
  }
  const client = upstreamClient({
    name: 'up',
    url,
    telemetry,
    trust: upstreamTrust({ system, ca, path, failed }),
    ...options,
  })
  return {
    repository: (name = 'app') => client.repository(name),
    told,
    credentials: () => credentials,
    received: () => received,
    [Symbol.asyncDispose]: () => client.close(),
  }
}

export const login = (username: string, password: string) => async () => ({ username, password })

/** Name resolution to which every name is this machine. */
export const loopback: LookupFunction = (_, { all }, callback) =>
  all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)

/** What the work fails with; it has to, and with an error of the table. */
export async function failureOf(work: Promise<unknown>): Promise<RegistryError> {
  const error = await work.then(
    (value) => assert.fail(`succeeded with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (!isRegistryError(error)) throw error
  return error
}

/** Asserts that the work fails with this code and at least this detail, and that the upstream is named. */
export async function assertFails(
  work: Promise<unknown>,
  code: ErrorCode,
  detail: Readonly<Record<string, string | number | RegExp>> = {},
): Promise<void> {
  const error = await failureOf(work)
  assert.equal(error.code, code, JSON.stringify(error.detail))
  for (const [key, expected] of Object.entries<string | number | RegExp>({ upstream: 'up', ...detail })) {
    if (expected instanceof RegExp) assert.match(String(error.detail[key]), expected)
    else assert.equal(error.detail[key], expected, key)
  }
}

export async function bytesOf(body: AsyncIterable<Buffer> | undefined): Promise<Buffer> {
  assert.ok(body !== undefined, 'the blob does not exist')
  return Buffer.concat(await Array.fromAsync(body))
}
