import type { Arrival, Gate } from '../ports/authenticator.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { CidrList } from '../util/cidr.ts'
import { clientAddress } from './client-address.ts'
import type { Passwords } from './passwords.ts'
import type { Rules } from './rules.ts'
import type { Tokens } from './tokens.ts'

/** What is left out is not asked for. */
export interface GateOptions {
  /** Where clients may be. */
  readonly networks?: CidrList
  /** Whose X-Forwarded-For is believed. */
  readonly trustedProxies?: CidrList
  readonly passwords?: Passwords
  readonly tokens?: Tokens
  /** Nobody can be here without one. */
  readonly certificates?: boolean
  readonly rules?: Rules
}

/** As the user of Basic, who brings a token as password: most clients can present nothing else. */
const TOKEN_USER = 'oidc'

/** Who may use the registry, by where they are and who they are. */
export function gate({
  networks,
  trustedProxies,
  passwords,
  tokens,
  certificates,
  rules,
}: GateOptions): Gate {
  const canSay = passwords !== undefined || tokens !== undefined
  const mustSay = canSay || certificates === true

  async function identify(arrival: Arrival, address: string): Promise<string | undefined> {
    if (arrival.certificate !== undefined) return `cert:${arrival.certificate}`
    const login = canSay ? loginIn(arrival.authorization) : undefined
    if (login === undefined) return undefined
    if (login.user === undefined || (login.user === TOKEN_USER && tokens !== undefined)) {
      const owner = await tokens?.(login.secret)
      return owner === undefined ? undefined : `oidc:${owner}`
    }
    return (await passwords?.(login.user, login.secret, address)) ? login.user : undefined
  }

  function refusal(identity: string | undefined): RegistryError {
    return identity === undefined && canSay
      ? new RegistryError('UNAUTHORIZED')
      : new RegistryError('DENIED', { identity, reason: 'access.rules' })
  }

  return {
    async admit(arrival) {
      const address = trustedProxies
        ? clientAddress(arrival.address, arrival.forwardedFor, trustedProxies)
        : arrival.address
      if (networks && !networks(address)) {
        throw new RegistryError('DENIED', { address: address.slice(0, 50), reason: 'access.networks' })
      }
      const identity = await identify(arrival, address)
      if (identity === undefined && mustSay && rules === undefined) throw refusal(identity)
      return {
        identity,
        authorize(repository?: RepositoryName) {
          if (
            repository === undefined
              ? identity === undefined && canSay
              : rules?.(identity, repository) === false
          )
            throw refusal(identity)
        },
      }
    },
  }
}

interface Login {
  /** undefined = a token. */
  readonly user?: string
  readonly secret: string
}

/** RFC 7617 and RFC 6750; undefined for all else. */
function loginIn(authorization: string | undefined): Login | undefined {
  const [, scheme, value] = /^(basic|bearer) +([\w.~+/=-]+) *$/i.exec(authorization ?? '') ?? []
  if (scheme === undefined || value === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return { secret: value }
  const text = Buffer.from(value, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), secret: text.slice(colon + 1) }
}
