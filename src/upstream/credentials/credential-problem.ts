import { RegistryError } from '../../oci/errors.ts'

interface CredentialProblemOptions extends ErrorOptions {
  /** What to do, where that is not plain from the message. */
  readonly advice?: string | undefined
}

/**
 * The reason why configured credentials cannot be had. Clients and logs see message and advice: they contain
 * no path, and nothing that a helper printed or a service answered but its error code.
 */
export class CredentialProblem extends Error {
  override readonly name = 'CredentialProblem'
  readonly advice: string | undefined

  constructor(message: string, { advice, ...options }: CredentialProblemOptions = {}) {
    super(message, options)
    this.advice = advice
  }
}

/** Turns a CredentialProblem into a RegistryError. Returns other errors unchanged: they are bugs. */
export function withoutCredentials(upstream: string, error: unknown): unknown {
  if (!(error instanceof CredentialProblem)) return error
  const { message: reason, advice } = error
  const detail = { upstream, credentials: 'unavailable', reason, advice }
  return new RegistryError('UPSTREAM_UNAVAILABLE', detail, { cause: error })
}
