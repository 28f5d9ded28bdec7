import { RegistryError } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { RepositorySearch, SearchRequest } from '../../ports/search.ts'
import type { Exchange } from '../exchange.ts'
import { sendJson } from '../send.ts'

/** Repositories of a page: what `docker search` allows, and what it asks for by itself. */
const MAX_PAGE = 100
const PAGE = 25
const LAST_PAGE = 1_000
/** Characters. */
const LONGEST_TERM = 200

/**
 * GET of `/v1/_ping`: Docker asks it before it searches, without a login. A registry that is "standalone" gets
 * the login with the search itself.
 */
export function answerSearchPing(exchange: Exchange): undefined {
  sendJson(exchange, 200, ['X-Docker-Registry-Standalone', 'true'], {})
}

/** GET of `/v1/search?q=&n=&page=`, in the words of Docker Hub's index. */
export async function answerSearch(
  exchange: Exchange,
  search: RepositorySearch,
  upstream: string,
): Promise<void> {
  exchange.kind = 'search'
  exchange.upstream = upstream
  const request = requestIn(exchange.query)
  const { principal } = exchange
  const mayRead = (repository: RepositoryName): boolean => principal?.mayRead(repository) ?? true
  const { total, repositories } = await search.search(upstream, request, mayRead, exchange.readOptions())
  sendJson(exchange, 200, [], {
    query: request.term,
    num_results: total,
    num_pages: Math.ceil(total / request.size),
    page: request.page,
    page_size: request.size,
    results: repositories.map(({ name, description, stars, isOfficial, isAutomated }) => ({
      name,
      description,
      star_count: stars,
      is_official: isOfficial,
      is_automated: isAutomated,
      is_trusted: isAutomated,
    })),
  })
}

/** @throws RegistryError PAGINATION_NUMBER_INVALID, REQUEST_INVALID */
function requestIn(query: URLSearchParams): SearchRequest {
  const term = (query.get('q') ?? '').trim()
  if (term.length > LONGEST_TERM || /\p{C}/u.test(term))
    throw new RegistryError('REQUEST_INVALID', { parameter: 'q', allowed: `${LONGEST_TERM} characters` })
  return { term, size: numberIn(query, 'n', PAGE, MAX_PAGE), page: numberIn(query, 'page', 1, LAST_PAGE) }
}

function numberIn(query: URLSearchParams, parameter: string, omitted: number, most: number): number {
  const text = query.get(parameter)
  if (text === null) return omitted
  const number = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= most) return number
  const given = text.slice(0, 100)
  throw new RegistryError('PAGINATION_NUMBER_INVALID', { [parameter]: given, allowed: `1 to ${most}` })
}
