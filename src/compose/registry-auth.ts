import type { Logger } from 'pino'
import { bcrypt } from '../access/bcrypt.ts'
import { gate } from '../access/gate.ts'
import { keySet } from '../access/key-set.ts'
import { passwords } from '../access/passwords.ts'
import { rules } from '../access/rules.ts'
import { tokens } from '../access/tokens.ts'
import type { Config } from '../config/load-config.ts'
import type { LoadedFile } from '../config/files.ts'
import { followFiles } from '../config/reloading-files.ts'
import { parseHtpasswd } from '../config/htpasswd.ts'
import type { Listening } from '../http/server.ts'
import type { Tls } from '../http/tls.ts'
import { type CidrList, cidrList } from '../util/cidr.ts'
import type { Gate } from '../ports/authenticator.ts'

export interface FrontDoor extends AsyncDisposable {
  /** undefined where everybody may use the registry. */
  readonly gate: Gate | undefined
  readonly isTrustedProxy: CidrList
}

/** What `access` and `listen.tls` say of who may use the registry. */
export function frontDoor(
  { access, listen: { tls } }: Pick<Config, 'access' | 'listen'>,
  log: Logger,
): FrontDoor {
  const open = new AsyncDisposableStack()
  const { htpasswd, oidc } = access
  const isTrustedProxy = cidrList(access.trustedProxies)
  const isOpen = !access.networks && !htpasswd && !oidc && !access.rules && !tls?.clientCa

  function loginBy(file: LoadedFile) {
    let users = parseHtpasswd(file.text)
    open.use(follow([file], ([text]) => (users = parseHtpasswd(text!)), log))
    const { compare } = open.use(bcrypt())
    return passwords({ users: () => users, compare })
  }

  function tokensOf({ jwks, ...options }: NonNullable<typeof oidc>) {
    const failed = (err: unknown) => log.error({ err, jwks }, 'the keys for tokens cannot be fetched')
    return tokens({ ...options, key: open.use(keySet({ url: jwks, failed })).key })
  }

  return {
    isTrustedProxy,
    gate: isOpen
      ? undefined
      : gate({
          trustedProxies: isTrustedProxy,
          certificates: tls?.clientAuth === 'require',
          ...(access.networks && { networks: cidrList(access.networks) }),
          ...(htpasswd && { passwords: loginBy(htpasswd) }),
          ...(oidc && { tokens: tokensOf(oidc) }),
          ...(access.rules && { rules: rules(access.rules) }),
        }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/** What an operator should know who did not look: who is let in, and what of it is no secret on the way. */
export function describeFrontDoor({ access, listen: { tls } }: Pick<Config, 'access' | 'listen'>): object {
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

type TlsConfig = NonNullable<Config['listen']['tls']>

export function tlsOf({ cert, key, clientCa, clientAuth }: TlsConfig): Tls {
  return {
    cert: cert.text,
    key: key.text,
    ...(clientCa && { clientCa: clientCa.text }),
    ...(clientAuth && { clientAuth }),
  }
}

/** Gives a listener its new certificate when the files have one. A pair that does not belong together, or is broken, is told of and the old one stays. */
export function renewing(listening: Listening, tls: TlsConfig, log: Logger): Disposable {
  const { cert, key, clientCa } = tls
  return follow(
    [cert, key, ...(clientCa ? [clientCa] : [])],
    ([cert, key, clientCa]) =>
      listening.renew({ ...tlsOf(tls), cert: cert!, key: key!, ...(clientCa !== undefined && { clientCa }) }),
    log,
  )
}

/** Reads files again when they change. What cannot be used is told of, and what was there before stays. */
export function follow(
  files: readonly LoadedFile[],
  apply: (texts: readonly string[]) => void,
  log: Logger,
): Disposable {
  const paths = files.map(({ path }) => path)
  return followFiles({
    files,
    changed(texts) {
      apply(texts)
      log.info({ files: paths }, 'read again')
    },
    failed: (err) =>
      log.error({ err, files: paths }, 'cannot be used as it is now; what it was before still holds'),
  })
}
