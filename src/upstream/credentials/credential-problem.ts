import { RegistryError } from '../../oci/errors.ts'

/** Why configured credentials cannot be had. The message is shown to clients and in logs: no paths, nothing that a helper said. */
export class CredentialProblem extends Error {
  override readonly name = 'CredentialProblem'
}

/** @returns other errors as they are: they are mistakes of ours. */
export function withoutCredentials(upstream: string, error: unknown): unknown {
  if (!(error instanceof CredentialProblem)) return error
  return new RegistryError('UPSTREAM_UNAVAILABLE', { upstream, reason: error.message }, { cause: error })
}
