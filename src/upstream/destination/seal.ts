import { createHash, createHmac } from 'node:crypto'
import { type Credentials, isLogin } from '../credentials/credentials.ts'

/**
 * Makes an HMAC-SHA256 that is keyed by the digest of the credentials: it tells whether something was done
 * with the same ones, and nothing else.
 */
export function sealOf(credentials: Credentials | undefined): (text: string) => string {
  const key = createHash('sha256').update(textOf(credentials)).digest()
  return (text) => createHmac('sha256', key).update(text).digest('base64url')
}

/** A name for an origin as these credentials reach it. */
export function keyOf(origin: string, credentials: Credentials | undefined): string {
  return `${origin} ${sealOf(credentials)(origin)}`
}

function textOf(credentials: Credentials | undefined): string {
  if (credentials === undefined) return ''
  return JSON.stringify(
    isLogin(credentials) ? [credentials.username, credentials.password] : [credentials.identityToken],
  )
}
