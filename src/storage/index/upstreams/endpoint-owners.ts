import type { EndpointOwners } from '../../../ports/endpoint-owners.ts'
import { ignoreStorageError } from '../../storage-operation.ts'
import type { IndexAccess } from '../index-access.ts'

/** Milliseconds. An endpoint that has not answered for so long owns it no longer. */
const KEPT_FOR = 90 * 86_400_000
/** Milliseconds that pass before an answer is written again. */
const WRITTEN_EVERY = 86_400_000

/** Remembers in the index. `now`: epoch milliseconds. */
export function endpointOwners(
  { query, transact }: Pick<IndexAccess, 'query' | 'transact'>,
  now: () => number,
): EndpointOwners {
  const find = ({ upstream, name }: Parameters<EndpointOwners['get']>[0], thing: string) =>
    query((sql) => {
      const row = sql.endpointOwner.get(upstream, name, thing) as Row | undefined
      return row !== undefined && row.at > now() - KEPT_FOR ? row : undefined
    })

  return {
    get: async (repository, thing) => (await find(repository, thing).catch(ignoreStorageError))?.url,
    async set(repository, thing, url) {
      const { upstream, name } = repository
      try {
        const known = await find(repository, thing)
        if (known?.url === url && known.at > now() - WRITTEN_EVERY) return
        await transact((sql) => {
          sql.setEndpointOwner.run(upstream, name, thing, url, now())
          sql.removeOldEndpointOwners.run(now() - KEPT_FOR)
        })
      } catch (error) {
        ignoreStorageError(error)
      }
    },
  }
}

interface Row {
  readonly url: string
  readonly at: number
}
