import { METHODS } from 'node:http'
import { RegistryError } from '../oci/errors.ts'
import type { Exchange } from './exchange.ts'

/**
 * Every method but GET and HEAD: this registry is read-only. Node itself closes the connection of a CONNECT,
 * which has no path.
 */
export const WRITE_METHODS = METHODS.filter((method) => !['GET', 'HEAD', 'CONNECT'].includes(method))

/** Answers 405 with `Allow: GET, HEAD` (`error-response.ts`). */
export function refuseWrite({ incoming: { method } }: Exchange): never {
  throw new RegistryError('UNSUPPORTED', { method })
}
