import { isRegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Registry, Repository } from '../ports/repository.ts'

/**
 * The repository of exactly this name.
 *
 * @param said what a refusal begins with
 * @returns undefined when its upstream is not configured
 * @throws Error when the configuration forbids it
 */
export function findAllowed(
  registry: Pick<Registry, 'find'>,
  { upstream, name }: RepositoryName,
  said: string,
): Repository | undefined {
  try {
    return registry.find({ namespace: upstream, name })
  } catch (error) {
    if (!isRegistryError(error, 'DENIED')) throw error
    const { rule } = error.detail
    throw new Error(`${said}: the configuration forbids it (upstreams.${upstream}.${rule})`, { cause: error })
  }
}
