import { RegistryError } from '../oci/errors.ts'

/** An image that upstream has, and that cannot be converted. */
export class InvalidImageError extends RegistryError {
  /** @param reason a clause: "it has no layers" */
  constructor(reason: string) {
    super('UPSTREAM_INVALID', { reason: `this image of schema 1 cannot be converted: ${reason}` })
  }
}
