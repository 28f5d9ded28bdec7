import { RegistryError } from '../oci/errors.ts'

/** An image that upstream has, and that cannot be converted. `reason` is a clause: "it has no layers". */
export function invalidImage(reason: string): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', {
    reason: `this image of schema 1 cannot be converted: ${reason}`,
  })
}
