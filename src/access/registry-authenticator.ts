import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Authenticator, ClientInfo } from '../ports/authenticator.ts'
import type { LoginTelemetry } from '../ports/telemetry.ts'
import type { CidrList } from '../util/cidr.ts'
import { clientAddress } from './client-address.ts'
import type { Passwords } from './passwords.ts'
import type { Rules } from './rules.ts'
import type { Tokens } from './tokens.ts'

/** A check that is left out is not made. */
export interface RegistryAuthenticatorOptions {
  /** The networks that clients may come from. */
  readonly networks?: CidrList
  /** The proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: CidrList
  readonly passwords?: Passwords
  readonly tokens?: Tokens
  /** Whether clients of TLS must show a certificate, or may. Left out: none is asked for. */
  readonly certificates?: 'require' | 'optional'
  readonly rules?: Rules
  readonly telemetry?: LoginTelemetry
}

/** The user name of a Basic login whose password is a token: most clients can send nothing else. */
const TOKEN_USER = 'oidc'
/** Characters of a user name that are reported. */
const LONGEST_USER = 100

/** Authenticates clients by network, certificate, password or token, and authorizes them by rules. */
export function registryAuthenticator({
  networks,
  trustedProxies,
  passwords,
  tokens,
  certificates,
  rules,
  telemetry,
}: RegistryAuthenticatorOptions): Authenticator {
  const canLogIn = passwords !== undefined || tokens !== undefined
  const needsIdentity = canLogIn || certificates === 'require'
  // Without rules, an optional certificate gives no right that others do not have.
  const canBeKnown = needsIdentity || (certificates === 'optional' && rules !== undefined)

  async function identify(client: ClientInfo, address: string): Promise<string | undefined> {
    if (client.certificate !== undefined) return `cert:${client.certificate}`
    const login = canLogIn ? parseLogin(client.authorization) : undefined
    if (login === undefined) return undefined
    const by = { address, user: login.user?.slice(0, LONGEST_USER) }
    try {
      const identity = await identityOf(login, address)
      telemetry?.login(identity === undefined ? 'refused' : 'accepted', by)
      return identity
    } catch (error) {
      telemetry?.login(isRegistryError(error, 'TOOMANYREQUESTS') ? 'limited' : 'unavailable', by)
      throw error
    }
  }

  async function identityOf(login: Login, address: string): Promise<string | undefined> {
    if (login.user === undefined || (login.user === TOKEN_USER && tokens !== undefined)) {
      const owner = await tokens?.(login.secret)
      return owner === undefined ? undefined : `oidc:${owner}`
    }
    return (await passwords?.(login.user, login.secret, address)) ? login.user : undefined
  }

  function refusal(identity: string | undefined): RegistryError {
    return identity === undefined && canLogIn
      ? new RegistryError('UNAUTHORIZED')
      : new RegistryError('DENIED', { identity, reason: 'access.rules' })
  }

  return {
    async authenticate(client) {
      const address = trustedProxies
        ? clientAddress(client.address, client.forwardedFor, trustedProxies)
        : client.address
      if (networks && !networks(address)) {
        throw new RegistryError('DENIED', { address: address.slice(0, 50), reason: 'access.networks' })
      }
      const identity = await identify(client, address)
      if (identity === undefined && needsIdentity && rules === undefined) throw refusal(identity)
      const mayRead = (repository: RepositoryName): boolean => rules?.(identity, repository) ?? true
      return {
        identity,
        mayRead,
        authorize(repository?: RepositoryName) {
          const isAllowed =
            repository === undefined ? identity !== undefined || !canBeKnown : mayRead(repository)
          if (!isAllowed) throw refusal(identity)
        },
      }
    },
  }
}

interface Login {
  /** undefined = the secret is a token. */
  readonly user?: string
  readonly secret: string
}

/** Parses a Basic (RFC 7617) or Bearer (RFC 6750) login. Returns undefined for every other value. */
function parseLogin(authorization: string | undefined): Login | undefined {
  const [, scheme, value] = /^(basic|bearer) +([\w.~+/=-]+) *$/i.exec(authorization ?? '') ?? []
  if (scheme === undefined || value === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return { secret: value }
  const text = Buffer.from(value, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), secret: text.slice(colon + 1) }
}
