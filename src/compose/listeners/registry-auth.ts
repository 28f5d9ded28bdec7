import type { IncomingMessage } from 'node:http'
import type { Logger } from 'pino'
import { bcrypt } from '../../access/bcrypt.ts'
import { clientAddress } from '../../access/client-address.ts'
import { keySet } from '../../access/key-set.ts'
import { passwords } from '../../access/passwords.ts'
import { registryAuthenticator } from '../../access/registry-authenticator.ts'
import { rules } from '../../access/rules.ts'
import { tokens } from '../../access/tokens.ts'
import type { LoadedFile } from '../../config/files.ts'
import { parseHtpasswd } from '../../config/htpasswd.ts'
import type { Config } from '../../config/load-config.ts'
import type { Authenticator } from '../../ports/authenticator.ts'
import type { LoginTelemetry } from '../../ports/telemetry.ts'
import { type CidrList, cidrList } from '../../util/cidr.ts'
import { reloadOnChange } from '../reload-on-change.ts'
import { upstreamNames } from '../../oci/upstream-names.ts'

export interface RegistryAuth extends AsyncDisposable {
  /** undefined = everybody may use the registry. */
  readonly authenticator: Authenticator | undefined
  readonly isTrustedProxy: CidrList
  /** The address of the client that sent a request, through trusted proxies or not. */
  clientAddress(incoming: IncomingMessage): string
}

type AuthConfig = Pick<Config, 'access' | 'listen'>
type BuiltFrom = AuthConfig & Pick<Config, 'upstreams'>

/** Builds the registry's authentication from `access` and `listen.tls`, its rules for these `upstreams`. */
export function buildRegistryAuth(
  { access, listen: { tls }, upstreams }: BuiltFrom,
  telemetry: LoginTelemetry,
  log: Logger,
): RegistryAuth {
  const resources = new AsyncDisposableStack()
  const { htpasswd, oidc } = access
  const isTrustedProxy = cidrList(access.trustedProxies)
  const isOpen = !access.networks && !htpasswd && !oidc && !access.rules && !tls?.clientCa

  function passwordsFrom(file: LoadedFile) {
    let users = parseHtpasswd(file.text)
    resources.use(reloadOnChange([file], ([text]) => (users = parseHtpasswd(text!)), log))
    const { compare } = resources.use(bcrypt())
    return passwords({ users: () => users, compare })
  }

  function tokensOf({ jwks, ...options }: NonNullable<typeof oidc>) {
    const failed = (err: unknown) => log.error({ err, jwks }, 'fetching the keys that verify tokens failed')
    return tokens({ ...options, key: resources.use(keySet({ url: jwks, failed })).key })
  }

  return {
    isTrustedProxy,
    clientAddress({ socket, headers }) {
      const forwardedFor = headers['x-forwarded-for']?.toString()
      return clientAddress(socket.remoteAddress ?? '', forwardedFor, isTrustedProxy)
    },
    authenticator: isOpen
      ? undefined
      : registryAuthenticator({
          trustedProxies: isTrustedProxy,
          ...(tls?.clientAuth && { certificates: tls.clientAuth }),
          ...(access.networks && { networks: cidrList(access.networks) }),
          ...(htpasswd && { passwords: passwordsFrom(htpasswd) }),
          ...(oidc && { tokens: tokensOf(oidc) }),
          ...(access.rules && { rules: rules(access.rules, upstreamNames(Object.values(upstreams))) }),
          telemetry,
        }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/**
 * Describes, for the start line in the log, who may use the registry and whether passwords travel
 * unencrypted.
 */
export function describeRegistryAuth({ access, listen: { tls } }: AuthConfig): object {
  const { htpasswd, oidc, trustedProxies } = access
  return {
    pull: whoMayPull({ access, listen: { tls } }),
    tls: tls !== undefined,
    ...((htpasswd ?? oidc) &&
      !tls &&
      trustedProxies.length === 0 && { warning: 'passwords cross the network in clear' }),
  }
}

/** `everyone from 10.0.0.0/8`, `clients with a password or a token, as access.rules say` */
export function whoMayPull({
  access: { networks, htpasswd, oidc, rules },
  listen: { tls },
}: Pick<AuthConfig, 'access'> & { readonly listen: Pick<AuthConfig['listen'], 'tls'> }): string {
  const isOptional = tls?.clientAuth === 'optional'
  const logins = [
    htpasswd && 'a password',
    oidc && 'a token',
    // Where rules tell clients apart, or something else is needed, an optional one is a way to log in too.
    tls?.clientCa && (!isOptional || htpasswd || oidc || rules) && 'a certificate',
  ].filter(Boolean)
  // Nobody needs the others: each client has a certificate.
  const ways = tls?.clientCa && !isOptional ? ['a certificate'] : logins
  const needsLogin = ways.length > 0 && rules === undefined
  const who = needsLogin ? `clients with ${ways.join(' or ')}` : 'everyone'
  const from = networks ? ` from ${networks.join(', ')}` : ''
  if (rules === undefined) return who + from
  const known = ways.length === 0 ? '' : `, known by ${ways.join(' or ')}`
  return `clients${from} as access.rules say${known}`
}
