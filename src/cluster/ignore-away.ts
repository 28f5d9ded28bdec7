import { isRegistryError } from '../oci/errors.ts'

/** Of a statement whose answer nothing depends on: undefined while the database is away. */
export function ignoreAway(error: unknown): undefined {
  if (!isRegistryError(error, 'STORAGE')) throw error
  return undefined
}
