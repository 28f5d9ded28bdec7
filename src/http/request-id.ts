import { randomBytes } from 'node:crypto'

const HARMLESS = /^[A-Za-z0-9._-]{1,128}$/

/** Names requests: by the `X-Request-Id` that the client gave when it is harmless, else anew. */
export function requestIds(): (given: string | string[] | undefined) => string {
  const prefix = randomBytes(6).toString('hex')
  let made = 0
  return (given) =>
    typeof given === 'string' && HARMLESS.test(given) ? given : `${prefix}-${(++made).toString(36)}`
}
