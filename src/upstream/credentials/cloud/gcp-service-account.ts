import { importPKCS8, SignJWT } from 'jose'
import type { JsonObject } from '../../../util/json-object.ts'
import { CredentialProblem } from '../credential-problem.ts'
import type { Exchange } from './exchange.ts'
import { GOOGLE_SCOPE, googleUrl } from './google-url.ts'
import { accessTokenOf, type IssuedToken } from './issued.ts'

const STEP = 'the token of the service account'

/**
 * Exchanges the key of a service account ("Using OAuth 2.0 for Server to Server Applications"; RFC 7523).
 *
 * @throws CredentialProblem
 */
export async function serviceAccountToken(file: JsonObject, exchange: Exchange): Promise<IssuedToken> {
  const url = googleUrl(file['token_uri'] ?? 'https://oauth2.googleapis.com/token', 'token_uri')
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: await assertion(file, url),
  })
  const answer = await exchange({
    step: STEP,
    url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    advice: 'check that the key has not been deleted, and the clock of this machine',
  })
  return accessTokenOf(answer, STEP)
}

async function assertion(file: JsonObject, url: URL): Promise<string> {
  const { client_email: email, private_key: key, private_key_id: kid } = file
  if (typeof email !== 'string' || typeof key !== 'string') {
    throw new CredentialProblem('the key of the service account has no client_email or no private_key')
  }
  const signing = await importPKCS8(key, 'RS256').catch((error: unknown) => {
    throw new CredentialProblem('the private_key of the service account cannot be read', { cause: error })
  })
  return new SignJWT({ scope: GOOGLE_SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(typeof kid === 'string' && { kid }) })
    .setIssuer(email)
    .setAudience(url.href)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(signing)
}
