import type { Config } from '../../config/load-config.ts'
import type { Invocation } from '../command.ts'
import type { Connection } from './admin-client.ts'
import { tokenGiven } from './server-given.ts'

/**
 * The admin listener of a configuration, with the token of the command line or the environment where one is
 * given: the configuration may take its own from an environment that is not here. The error begins with `why`
 * it is needed.
 *
 * @throws UsageError @throws Error when the listener is off
 */
export function adminOf(
  { admin }: Config,
  invocation: Pick<Invocation, 'options' | 'env'>,
  why: string,
): Connection {
  if (admin === false) {
    throw new Error(
      `${why} its admin listener is off (admin: false): stop the process, or turn the listener on`,
    )
  }
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[admin.host] ?? admin.host
  const authority = `${host.includes(':') ? `[${host}]` : host}:${admin.port}`
  return {
    url: `${admin.tls ? 'https' : 'http'}://${authority}`,
    ...(admin.token !== undefined && { token: admin.token }),
    ...tokenGiven(invocation),
    ...(admin.tls && { certificate: admin.tls.cert.text }),
  }
}
