import { RegistryError } from '../../oci/errors.ts'
import type { PageRequest, Repository } from '../../ports/repository.ts'
import type { Exchange } from '../exchange.ts'
import type { HeaderList } from '../headers/head-template.ts'
import { send } from '../send.ts'

/** Tags. */
const MAX_PAGE = 10_000
/** What an earlier `Link` of ours says, in base64url. */
const CURSOR = /^[A-Za-z0-9_-]{1,5500}$/
const LAST = /^[\x21-\x7e]{1,1024}$/

/** GET and HEAD of a tag list, end-8 of the distribution spec. `name` is the name that the client wrote. */
export async function answerTags(exchange: Exchange, { tags }: Repository, name: string): Promise<void> {
  const page = pageOf(exchange.query)
  // Upstreams differ in their answer to n=0, so ask for one tag to learn whether the repository exists.
  const answer = await tags.list(page.n === 0 ? { ...page, n: 1 } : page, exchange.readOptions())
  if (answer === undefined) throw new RegistryError('NAME_UNKNOWN')
  const isNothing = page.n === 0
  const body = [
    Buffer.from(`{"name":${JSON.stringify(name)},"tags":[`),
    isNothing ? Buffer.alloc(0) : answer.tags,
    Buffer.from(']}'),
  ]
  const link = isNothing ? [] : linkTo(answer.next, exchange, name)
  await send(exchange, 200, ['Content-Type', 'application/json', ...link], body)
}

/** @throws RegistryError PAGINATION_NUMBER_INVALID, REQUEST_INVALID */
function pageOf(query: URLSearchParams): PageRequest {
  const n = query.get('n')
  const last = query.get('last')
  if (n !== null && !(/^\d{1,5}$/.test(n) && Number(n) <= MAX_PAGE)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', { n: n.slice(0, 100), allowed: `0 to ${MAX_PAGE}` })
  }
  if (last !== null && last !== '' && !LAST.test(last))
    throw new RegistryError('REQUEST_INVALID', { parameter: 'last' })
  const cursor = query.get('cursor')
  if (cursor !== null && !CURSOR.test(cursor))
    throw new RegistryError('REQUEST_INVALID', { parameter: 'cursor' })
  return {
    ...(n !== null && { n: Number(n) }),
    ...(last && { last }),
    ...(cursor !== null && { cursor: Buffer.from(cursor, 'base64url').toString('latin1') }),
  }
}

/**
 * Relative, because ggcr and oras refuse to leave the origin. Repeats `ns`, because clients follow it
 * verbatim.
 */
function linkTo(next: PageRequest | undefined, { query }: Exchange, name: string): HeaderList {
  if (next === undefined) return []
  const parameters = new URLSearchParams()
  if (next.n !== undefined) parameters.set('n', String(next.n))
  if (next.last !== undefined) parameters.set('last', next.last)
  if (next.cursor !== undefined)
    parameters.set('cursor', Buffer.from(next.cursor, 'latin1').toString('base64url'))
  const namespace = query.get('ns')
  if (namespace !== null) parameters.set('ns', namespace)
  return ['Link', `</v2/${name}/tags/list?${parameters}>; rel="next"`]
}
