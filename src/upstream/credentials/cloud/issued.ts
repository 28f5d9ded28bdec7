import { parseJsonObject, type JsonObject } from '../../../util/json-object.ts'
import { CredentialProblem } from '../credential-problem.ts'
import type { ExchangeAnswer } from './exchange.ts'

/** What a token service gave out. */
export interface IssuedToken {
  readonly token: string
  /** Milliseconds from now. */
  readonly lifetime: number
}

/** Milliseconds. A token that says no more, or nonsense, is believed to be valid for so long. */
const SHORTEST = 60_000
const LONGEST = 24 * 3_600_000
/** Bytes. Node refuses headers over 16 KiB, as most registries do. */
const MAX_TOKEN = 16 * 1024

/** @throws CredentialProblem */
export function jsonOf({ text }: ExchangeAnswer, step: string): JsonObject {
  const object = parseJsonObject(text)
  if (object === undefined) throw new CredentialProblem(`${step}: the answer is not a JSON object`)
  return object
}

/** A token or secret of an answer or a file, as a header can carry it. @throws CredentialProblem */
export function tokenOf(value: unknown, step: string): string {
  if (typeof value === 'string' && value.length <= MAX_TOKEN && /^[\x21-\x7e]+$/.test(value)) return value
  throw new CredentialProblem(`${step}: there is no token in it`)
}

/** Reads `access_token` and `expires_in` (RFC 6749 section 5.1). @throws CredentialProblem */
export function accessTokenOf(answer: ExchangeAnswer, step: string): IssuedToken {
  const { access_token: token, expires_in: seconds } = jsonOf(answer, step)
  return { token: tokenOf(token, step), lifetime: bounded(Number(seconds) * 1000) }
}

/** The time until an instant, by the clock of who named it: ours may be wrong. */
export function lifetimeUntil(instant: number, { answeredAt }: ExchangeAnswer): number {
  return bounded(instant - answeredAt)
}

/** `Expiration` of temporary credentials of Amazon: an instant of ISO 8601. Those without one do not expire. */
export function lifetimeIn(expiration: unknown, answer: ExchangeAnswer): { readonly lifetime?: number } {
  return expiration === undefined ? {} : { lifetime: lifetimeUntil(Date.parse(String(expiration)), answer) }
}

export function bounded(lifetime: number): number {
  return Math.min(Math.max(lifetime || 0, SHORTEST), LONGEST)
}
