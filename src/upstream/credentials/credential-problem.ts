import { RegistryError } from '../../oci/errors.ts'

/**
 * The reason why configured credentials cannot be had. Clients and logs see the message: it contains no path,
 * and nothing that a helper printed.
 */
export class CredentialProblem extends Error {
  override readonly name = 'CredentialProblem'
}

/** Turns a CredentialProblem into a RegistryError. Returns other errors unchanged: they are bugs. */
export function withoutCredentials(upstream: string, error: unknown): unknown {
  if (!(error instanceof CredentialProblem)) return error
  return new RegistryError('UPSTREAM_UNAVAILABLE', { upstream, reason: error.message }, { cause: error })
}
