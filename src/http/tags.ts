import { RegistryError } from '../oci/errors.ts'
import type { PageRequest, Repository } from '../ports/repository.ts'
import type { Exchange } from './exchange.ts'
import { sendJson } from './send.ts'

const MOST = 10_000
const LAST = /^[\x21-\x7e]{1,1024}$/

/** GET and HEAD of a tag list, end-8 of the distribution spec. `name` is as the client wrote it. */
export async function answerTags(exchange: Exchange, { tags }: Repository, name: string): Promise<void> {
  const page = pageOf(exchange.query)
  // Nobody promises anything about n=0 upstream, but whether the repository exists has to be asked.
  const answer = await tags.list(page.n === 0 ? { ...page, n: 1 } : page, exchange.asking())
  if (answer === undefined) throw new RegistryError('NAME_UNKNOWN')
  if (page.n === 0) return sendJson(exchange, 200, {}, { name, tags: [] })
  sendJson(exchange, 200, linkTo(answer.next, exchange, name), { name, tags: answer.tags })
}

/** @throws RegistryError PAGINATION_NUMBER_INVALID, REQUEST_INVALID */
function pageOf(query: URLSearchParams): PageRequest {
  const n = query.get('n')
  const last = query.get('last')
  if (n !== null && !(/^\d{1,5}$/.test(n) && Number(n) <= MOST)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', { n: n.slice(0, 100), allowed: `0 to ${MOST}` })
  }
  if (last !== null && last !== '' && !LAST.test(last))
    throw new RegistryError('REQUEST_INVALID', { parameter: 'last' })
  return { ...(n !== null && { n: Number(n) }), ...(last && { last }) }
}

/** Relative, because ggcr and oras refuse to leave the origin; with `ns`, because clients use it as it stands. */
function linkTo(next: PageRequest | undefined, { query }: Exchange, name: string): { Link?: string } {
  if (next === undefined) return {}
  const parameters = new URLSearchParams()
  if (next.n !== undefined) parameters.set('n', String(next.n))
  if (next.last !== undefined) parameters.set('last', next.last)
  const namespace = query.get('ns')
  if (namespace !== null) parameters.set('ns', namespace)
  return { Link: `</v2/${name}/tags/list?${parameters}>; rel="next"` }
}
