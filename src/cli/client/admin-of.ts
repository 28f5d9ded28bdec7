import type { Config } from '../../config/load-config.ts'
import type { Connection } from './admin-client.ts'

/**
 * The admin listener of a configuration. The error begins with `why` it is needed.
 *
 * @throws Error when the listener is off
 */
export function adminOf({ admin }: Config, why: string): Connection {
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
    ...(admin.tls && { certificate: admin.tls.cert.text }),
  }
}
