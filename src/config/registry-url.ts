import { hostname } from 'node:os'
import type { Config } from './load-config.ts'

/**
 * Where clients reach the registry, as far as the configuration tells: a wildcard is the name of this machine.
 *
 * @returns undefined when it listens on any free port
 */
export function registryUrl({ host, port, tls }: Config['listen']): string | undefined {
  if (port === 0) return undefined
  const name = /^(?:0\.0\.0\.0|::)$/.test(host) ? hostname() : host
  return new URL(`${tls ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${port}`).origin
}
