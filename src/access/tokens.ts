import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { RegistryError } from '../oci/errors.ts'

export interface TokensOptions {
  /** What `iss` has to be. */
  readonly issuer: string
  /** What `aud` has to be, or to have among others. */
  readonly audience: string
  /** The claim that says who it is. */
  readonly claim: string
  readonly key: JWTVerifyGetKey
}

/** Whose token it is; undefined when it is none of ours. @throws RegistryError UPSTREAM_UNAVAILABLE when nobody can tell */
export type Tokens = (token: string) => Promise<string | undefined>

/** Signatures by key pairs only: what verifies an HMAC could make one too, and `none` is none (RFC 8725 section 3.1). */
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
/** Seconds that the issuer's clock may differ from ours. */
const CLOCK_SKEW = 30

/** JSON Web Tokens of one OpenID Connect issuer (RFC 7519). */
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
        { reason: 'the keys that tokens are signed with cannot be had' },
        { cause: error },
      )
    }
  }
}

const PRINTABLE = /^[!-~]{1,512}$/

const ABOUT_KEYS = new Set(['ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC'])

/** Not about the keys, which are the issuer's affair, nor about fetching them. */
function isAboutToken(error: unknown): boolean {
  return error instanceof errors.JOSEError && !ABOUT_KEYS.has(error.code)
}
