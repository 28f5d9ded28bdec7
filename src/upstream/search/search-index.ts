import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { SearchPage, SearchRequest, SearchUpstream } from '../../ports/search.ts'
import { limiter } from '../../util/async/limiter.ts'
import { ApiSupport, UNKNOWN_API } from '../api-support.ts'
import { readBody } from '../body/limits.ts'
import { failure, refusal } from '../failures.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import { discard, type Transport, type UpstreamResponse } from '../requests.ts'
import { circuit, OUTAGE_WEIGHTS } from '../resilience/circuit-breaker.ts'
import { searchPageOf } from './search-page.ts'

export interface SearchIndexOptions {
  /** Its name in the configuration. */
  readonly upstream: string
  readonly url: URL
  readonly transport: Transport
  readonly withTimeout: WithTimeout
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** Registries that are searched elsewhere: the index of Docker Hub is apart from its registry. */
const INDEXES: ReadonlyMap<string, string> = new Map([
  ['https://registry-1.docker.io', 'https://index.docker.io'],
])

/** Bytes: 100 repositories, however much is said of each. */
const LIMIT = 1024 * 1024

/** Searches that are sent at once, and those that wait for their turn. */
const AT_ONCE = 4
const WAITING = 32

/** Who asks without an account, or with one that may not, cannot search there. */
const NO_SEARCH: ReadonlySet<number> = new Set([...UNKNOWN_API, 401, 403])

/**
 * Searches an upstream by `GET /v1/search?q=&n=&page=`, of which Docker Hub's answer is the model. An upstream
 * that does not know it is not asked again for a while. Its failures are held against the search alone.
 */
export function searchIndex({
  upstream,
  url,
  transport,
  withTimeout,
  now,
}: SearchIndexOptions): SearchUpstream {
  const index = new URL(INDEXES.get(url.origin) ?? url)
  const path = `${index.pathname.replace(/\/$/, '')}/v1/search`
  const support = new ApiSupport(now)
  const searches = circuit({ now, weights: { ...OUTAGE_WEIGHTS, UPSTREAM_LIMITED: 5 } })

  const inTurn = limiter(AT_ONCE)
  let inAll = 0

  /** Waiting for its turn is not held against the index. */
  async function inItsTurn<T>(work: () => Promise<T>): Promise<T> {
    if (inAll >= AT_ONCE + WAITING)
      throw new RegistryError('TOOMANYREQUESTS', { upstream, reason: 'too many searches at once' })
    inAll += 1
    try {
      return await inTurn(work)
    } finally {
      inAll -= 1
    }
  }

  async function ask(request: SearchRequest, signal: AbortSignal): Promise<SearchPage | undefined> {
    const target = new URL(`${path}?${queryOf(request)}`, index)
    const headers = { accept: 'application/json' }
    const response = await transport({ method: 'GET', kind: 'search', url: target, headers, signal })
    if (response.status === 200) return searchPageOf(await read(response))
    if (!NO_SEARCH.has(response.status)) throw await refusal(upstream, response)
    return discard(response)
  }

  async function read(response: UpstreamResponse): Promise<Buffer> {
    try {
      return (await readBody(response, LIMIT)) ?? Buffer.alloc(0)
    } catch (error) {
      throw failure(upstream, error)
    }
  }

  return async (request, signal) => {
    if (support.isMissing) return undefined
    try {
      const page = await inItsTurn(() =>
        searches.run(() => withTimeout((signal) => ask(request, signal), signal)),
      )
      if (page === undefined) support.missing()
      return page
    } catch (error) {
      // Redirects that lead nowhere, and realms that are strangers, are no search either.
      if (!isRegistryError(error, 'UPSTREAM_INVALID', 'UPSTREAM_DENIED')) throw error
      support.missing()
      return undefined
    }
  }
}

function queryOf({ term, size, page }: SearchRequest): URLSearchParams {
  return new URLSearchParams({ q: term, n: String(size), ...(page > 1 && { page: String(page) }) })
}
