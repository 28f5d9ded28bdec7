import type { Attempt } from './delivery-policy.ts'

/** How an attempt went, in words that follow the name of the webhook. */
export interface AttemptText {
  readonly said: string
  readonly advice?: string
}

const REACH = 'check that the receiver runs, and the url'

const BY_REASON: Readonly<Record<string, AttemptText>> = {
  ECONNREFUSED: { said: 'refuses connections: nothing listens at its address', advice: REACH },
  ENOTFOUND: { said: 'has a name that is not in DNS', advice: REACH },
  EAI_AGAIN: { said: 'has a name that cannot be looked up: DNS does not answer', advice: REACH },
  TIMEOUT: {
    said: 'did not answer within 10 s',
    advice: 'let the receiver answer before it does its work',
  },
  PRIVATE_ADDRESS: {
    said: 'leads to a private address, or to this proxy itself',
    advice: 'set $.allowPrivate: true if it is meant',
  },
}

/** `key`: of the webhook in the configuration, `events[0]`. */
export function attemptText(attempt: Attempt, key: string): AttemptText {
  if ('status' in attempt) return statusText(attempt.status)
  const { said, advice } = BY_REASON[attempt.reason] ?? {
    said: `cannot be reached (${attempt.reason})`,
    advice: REACH,
  }
  return { said, ...(advice !== undefined && { advice: advice.replace('$', key) }) }
}

function statusText(status: number): AttemptText {
  const said = `answered ${status}`
  if (status >= 200 && status < 300) return { said }
  if (status >= 300 && status < 400)
    return { said: `${said}, a redirect, which is not followed`, advice: 'give the url that it leads to' }
  if (status === 401 || status === 403)
    return { said, advice: 'check that the receiver has the same secret, and the same time' }
  return { said, advice: 'look into the log of the receiver' }
}
