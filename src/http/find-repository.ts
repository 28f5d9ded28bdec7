import { RegistryError } from '../oci/errors.ts'
import type { Address, Registry, Repository } from '../ports/repository.ts'
import type { Exchange } from './exchange.ts'

/** A host with an optional port: containerd sends the host of the image reference. */
const NAMESPACE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * Finds the repository that a request addresses by `name`, `?ns=` and Host, and checks that the client may
 * read it. Records the repository on the exchange.
 *
 * @throws RegistryError NAME_INVALID, NAME_UNKNOWN, UNAUTHORIZED, DENIED
 */
export function findRepository(registry: Registry, exchange: Exchange, name: string): Repository {
  const namespace = namespaceOf(exchange)
  const host = exchange.incoming.headers.host?.toLowerCase()
  const repository =
    find(registry, exchange, { name, namespace, host }) ?? refuse(exchange, notConfigured(namespace, name))
  exchange.principal?.authorize(repository.name)
  if (namespace !== undefined) exchange.namespace = namespace
  exchange.upstream = repository.name.upstream
  exchange.repository = repository.name.name
  return repository
}

function find(registry: Registry, exchange: Exchange, address: Address): Repository | undefined {
  try {
    return registry.find(address)
  } catch (error) {
    return refuse(exchange, error)
  }
}

/** What is configured, and what its rules say, is told to clients that have logged in, where they can. */
function refuse({ principal }: Exchange, error: unknown): never {
  principal?.authorize()
  throw error
}

function notConfigured(namespace: string | undefined, name: string): RegistryError {
  // In a name with an upstream before it, the registry is what follows.
  const registry = namespace ?? name.split('/').findLast((segment, i) => i < 2 && segment.includes('.'))
  return new RegistryError('NAME_UNKNOWN', {
    ns: namespace,
    name,
    reason: `${registry} is not a configured upstream`,
  })
}

/** containerd's `?ns=`. @throws RegistryError NAME_INVALID when it is malformed or given twice */
function namespaceOf(exchange: Exchange): string | undefined {
  const [namespace, ...more] = exchange.parameters('ns')
  if (more.length > 0 || (namespace !== undefined && !NAMESPACE.test(namespace))) {
    throw new RegistryError('NAME_INVALID', { parameter: 'ns' })
  }
  return namespace
}
