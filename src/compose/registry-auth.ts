import type { Logger } from 'pino'
import { bcrypt } from '../access/bcrypt.ts'
import { keySet } from '../access/key-set.ts'
import { passwords } from '../access/passwords.ts'
import { registryAuthenticator } from '../access/registry-authenticator.ts'
import { rules } from '../access/rules.ts'
import { tokens } from '../access/tokens.ts'
import type { LoadedFile } from '../config/files.ts'
import { parseHtpasswd } from '../config/htpasswd.ts'
import type { Config } from '../config/load-config.ts'
import type { Authenticator } from '../ports/authenticator.ts'
import type { LoginTelemetry } from '../ports/telemetry.ts'
import { type CidrList, cidrList } from '../util/cidr.ts'
import { reloadOnChange } from './reload-on-change.ts'

export interface RegistryAuth extends AsyncDisposable {
  /** undefined = everybody may use the registry. */
  readonly authenticator: Authenticator | undefined
  readonly isTrustedProxy: CidrList
}

type AuthConfig = Pick<Config, 'access' | 'listen'>

/** Builds the registry's authentication from `access` and `listen.tls`. */
export function buildRegistryAuth(
  { access, listen: { tls } }: AuthConfig,
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
    authenticator: isOpen
      ? undefined
      : registryAuthenticator({
          trustedProxies: isTrustedProxy,
          certificates: tls?.clientAuth === 'require',
          ...(access.networks && { networks: cidrList(access.networks) }),
          ...(htpasswd && { passwords: passwordsFrom(htpasswd) }),
          ...(oidc && { tokens: tokensOf(oidc) }),
          ...(access.rules && { rules: rules(access.rules) }),
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
  const { networks, htpasswd, oidc, rules, trustedProxies } = access
  const login = [htpasswd && 'htpasswd', oidc && 'oidc', tls?.clientCa && 'certificate'].filter(Boolean)
  return {
    networks: networks ?? 'any',
    login: login.length === 0 ? 'none' : login,
    ...(rules && { rules: rules.length }),
    tls: tls !== undefined,
    ...((htpasswd ?? oidc) &&
      !tls &&
      trustedProxies.length === 0 && { warning: 'passwords cross the network in clear' }),
  }
}
