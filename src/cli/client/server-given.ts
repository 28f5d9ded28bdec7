import { readFileSync } from 'node:fs'
import { checkAuthorities } from '../../config/certificates.ts'
import { type Invocation, UsageError } from '../command.ts'
import type { Connection } from './admin-client.ts'

/**
 * The server that `--server` and `--token` or the environment name, with the authorities of `--ca`; undefined
 * when none is named.
 *
 * @throws UsageError
 */
export function serverGiven({ options, env }: Pick<Invocation, 'options' | 'env'>): Connection | undefined {
  const server = options['server']?.toString() ?? env['ENTREPOT_SERVER']
  if (server === undefined || server === '') return undefined
  const url = URL.parse(server)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || /[?#]/.test(server)) {
    throw new UsageError('--server must be an http or https URL such as https://cache.internal:5001')
  }
  const file = options['ca']?.toString()
  return {
    url: url.href.replace(/\/+$/, ''),
    ...tokenGiven({ options, env }),
    ...(file !== undefined && { authorities: readAuthorities(file) }),
  }
}

/** The token of `--token`, or of the environment; white space around it is ignored. @throws UsageError */
export function tokenGiven({ options, env }: Pick<Invocation, 'options' | 'env'>): {
  readonly token?: string
} {
  const token = (options['token']?.toString() ?? env['ENTREPOT_TOKEN'])?.trim()
  if (token === undefined || token === '') return {}
  // No header could hold it.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new UsageError('--token must be printable characters of ASCII, without spaces')
  return { token }
}

/** The PEM file that `--ca` names. @throws UsageError */
export function readAuthorities(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8')
    checkAuthorities(pem)
    return pem
  } catch (error) {
    throw new UsageError(`--ca ${file}: ${(error as Error).message}`)
  }
}
