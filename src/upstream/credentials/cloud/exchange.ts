import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { isRegistryError } from '../../../oci/errors.ts'
import { untilAborted } from '../../../util/async/until-aborted.ts'
import { LIMITS, readBody } from '../../body/limits.ts'
import { failure } from '../../failures.ts'
import { Connections } from '../../net/connections.ts'
import { dialer, dialledAs } from '../../net/dialer.ts'
import type { DialPolicy } from '../../net/dial-policy.ts'
import type { ProxyFor } from '../../net/proxy-environment.ts'
import type { TrustStore } from '../../net/trust-store.ts'
import { CredentialProblem } from '../credential-problem.ts'
import { errorCodeIn } from './error-code.ts'
import { isPlainAllowed } from './plain-hosts.ts'

/** One question to a metadata service, a token service or an API of a cloud. */
export interface ExchangeRequest {
  /** What is asked for, in messages: `a token of the managed identity`. */
  readonly step: string
  /** https, or http to a metadata service of this machine. */
  readonly url: URL
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** What to do when the question is refused. */
  readonly advice?: string
  /** Statuses that mean "not yet", besides 429 and those from 500. */
  readonly notYet?: readonly number[]
}

export interface ExchangeAnswer {
  readonly text: string
  /** A header of the answer. */
  header(name: string): string | undefined
  /** The clock of who answered, in milliseconds since 1970; ours where it does not say. */
  readonly answeredAt: number
}

/**
 * Sends a question and returns the answer of status 200 or 201. Redirects are not followed. The answer is
 * never repeated in a message, except for its error code.
 *
 * @throws CredentialProblem that says which step failed, where, how, and what to do
 */
export type Exchange = (request: ExchangeRequest) => Promise<ExchangeAnswer>

export interface ExchangeOptions {
  readonly trust: TrustStore
  /** The way out. Metadata services are never asked through a proxy. */
  readonly proxyFor?: ProxyFor | undefined
  /** Ends every question. */
  readonly signal: AbortSignal
}

/** Milliseconds. A metadata service is next door, and a token service answers at once. */
const CONNECT_TIMEOUT = 2_000
const ANSWER_TIMEOUT = 4_000
/** Milliseconds before the second and the third attempt. */
const PAUSES = [200, 800]
/** A clock that differs by more milliseconds than this is told of: signatures and tokens do not hold. */
const SKEW = 4 * 60_000

/** The hosts are configured or constant, and may be anywhere: VPCs give public names private addresses. */
const NOWHERE_ELSE: DialPolicy = {
  allowsAllPrivate: false,
  allows: () => false,
  allowsClass: () => false,
  isOwnListener: () => false,
}

export function cloudExchange(options: ExchangeOptions): Exchange {
  return async (question) => {
    const { url, step } = question
    if (url.protocol !== 'https:' && !isPlainAllowed(url)) {
      throw new CredentialProblem(`${step} is not asked for at ${url.host} without TLS`)
    }
    for (let attempt = 0; ; attempt++) {
      const answer = await ask(question, options)
      if (!(answer instanceof Refusal)) return answer
      const pause = answer.mayPass ? PAUSES[attempt] : undefined
      if (pause === undefined || !(await passes(pause, options.signal))) throw answer.problem
    }
  }
}

/** Whether so many milliseconds pass before the abort. */
function passes(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep(milliseconds, true, { signal }).catch(() => false)
}

class Refusal {
  readonly problem: CredentialProblem
  /** Another attempt may be answered. */
  readonly mayPass: boolean

  constructor(problem: CredentialProblem, mayPass: boolean) {
    this.problem = problem
    this.mayPass = mayPass
  }
}

async function ask(question: ExchangeRequest, options: ExchangeOptions): Promise<ExchangeAnswer | Refusal> {
  const { step, url, method = 'GET', headers = {}, body, advice, notYet = [] } = question
  const { trust, proxyFor } = options
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ANSWER_TIMEOUT)])
  const connections = new Connections({
    connect: dialer({
      trust: trust.context,
      connectTimeout: CONNECT_TIMEOUT,
      trusted: new Set([dialledAs(url)]),
      policy: NOWHERE_ELSE,
      ...(url.protocol === 'https:' && proxyFor && { proxyFor }),
    }),
    idle: ANSWER_TIMEOUT,
    metadataConnections: 1,
  })
  const refused = (what: string, mayPass: boolean): Refusal =>
    new Refusal(new CredentialProblem(`${step}: ${url.host} ${what}`, { advice }), mayPass)
  try {
    const { statusCode, ...response } = await untilAborted(
      connections.onNewConnection('metadata', url.origin, (dispatcher) =>
        request(url, {
          dispatcher,
          method,
          headers: { 'accept-encoding': 'identity', 'user-agent': 'entrepot', ...headers },
          body: body ?? null,
          signal,
        }),
      ),
      signal,
    )
    const text = (await readBody({ status: statusCode, url, ...response }, LIMITS.error))?.toString()
    const header = (name: string): string | undefined => {
      const value = response.headers[name]
      return Array.isArray(value) ? value[0] : value
    }
    if (text === undefined) return refused('answers more than 64 KiB', false)
    const answeredAt = Date.parse(header('date') ?? '') || Date.now()
    if (statusCode === 200 || statusCode === 201) return { text, header, answeredAt }
    const said = [statusCode, errorCodeIn(text), skewIn(answeredAt)].filter((part) => part !== undefined)
    return refused(`answers ${said.join(' ')}`, isTransient(statusCode) || notYet.includes(statusCode))
  } catch (error) {
    if (signal.aborted) return refused('does not answer in time', true)
    const failed = failure('', error)
    if (!isRegistryError(failed)) throw error
    return refused(`cannot be asked (${failed.detail['reason']})`, true)
  } finally {
    await connections.close()
  }
}

function isTransient(status: number): boolean {
  return status === 429 || status >= 500
}

function skewIn(answeredAt: number): string | undefined {
  const minutes = Math.round(Math.abs(answeredAt - Date.now()) / 60_000)
  return Math.abs(answeredAt - Date.now()) > SKEW
    ? `(the clock of this machine is ${minutes} minutes off)`
    : undefined
}
