import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { RegistryError } from '../oci/errors.ts'

export interface TokensOptions {
  /** The expected `iss`. */
  readonly issuer: string
  /** The expected `aud`, or one of several. */
  readonly audience: string
  /** The claim that holds the identity. */
  readonly claim: string
  readonly key: JWTVerifyGetKey
}

/**
 * Verifies a token and returns its identity. Returns undefined for an invalid token.
 *
 * @throws RegistryError UPSTREAM_UNAVAILABLE when the keys are not available
 */
export type Tokens = (token: string) => Promise<string | undefined>

/**
 * Only signatures by key pairs: whoever verifies an HMAC can forge one, and `none` is no signature (RFC 8725
 * section 3.1).
 */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
/** Seconds that the clocks of issuer and proxy may differ. */
const CLOCK_SKEW = 30

/** Verifies JSON Web Tokens (RFC 7519) of one OpenID Connect issuer. */
export function tokens({ issuer, audience, claim, key }: TokensOptions): Tokens {
  const rules = {
    issuer,
    audience,
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_SKEW,
    requiredClaims: ['exp', claim],
  }
  return async function identify(token) {
    try {
      const { payload } = await jwtVerify(token, key, rules)
      const identity = payload[claim]
      return typeof identity === 'string' && PRINTABLE.test(identity) ? identity : undefined
    } catch (error) {
      if (isAboutToken(error)) return undefined
      throw new RegistryError(
        'UPSTREAM_UNAVAILABLE',
        { reason: 'the keys that verify tokens are not available' },
        { cause: error },
      )
    }
  }
}

const PRINTABLE = /^[!-~]{1,512}$/

const ABOUT_KEYS = new Set(['ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC'])

/** Tells an invalid token from keys that are invalid or were not fetched. */
function isAboutToken(error: unknown): boolean {
  return error instanceof errors.JOSEError && !ABOUT_KEYS.has(error.code)
}
