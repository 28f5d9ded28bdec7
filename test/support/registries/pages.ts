import { failure, json } from '../fake-upstream/registry.ts'
import type { Answer } from '../fake-upstream/wire.ts'
import { type Layer, partsOf, type Place } from './layer.ts'

export interface PageOptions {
  /** Tags of a page when the request has no `n`; all of them without. */
  readonly size?: number
  /** The largest `n`. */
  readonly most?: number
  /** What a larger one is answered with; left out, it is taken for `most`. */
  readonly beyond?: number
  /** The query parameter that continues; a tag, or an opaque cursor that nothing else is accepted for. */
  readonly cursor?: { readonly parameter: string; readonly opaque: boolean }
  /** `last`, which the specification has, is ignored: every page but those asked for by cursor is the first. */
  readonly ignoresLast?: boolean
  /** How `Link` names the next page. */
  readonly link?: (path: string, query: URLSearchParams, place: Place) => string
  /** The next page stands in the body as `next` too, or only there. */
  readonly nextIn?: 'header' | 'body'
  /** What else stands in the body. */
  readonly extra?: Readonly<Record<string, unknown>>
  /** In what order the registry has them; lexical without. */
  readonly order?: (tags: readonly string[]) => readonly string[]
  /** What `n` the link names. */
  readonly linkedSize?: (n: number) => number
}

/** Pages tag lists as `options` say, out of the whole list that the next layer has. */
export function pages(options: PageOptions): Layer {
  const { cursor = { parameter: 'last', opaque: false } } = options
  return (request, next, place) => {
    const parts = partsOf(request.target)
    if (parts?.kind !== 'tags') return next(request)
    const path = `/v2/${parts.repository}/tags/list`
    const whole = next({ ...request, target: path })
    if (whole.status !== 200) return whole
    const { name, tags } = JSON.parse(whole.body.toString()) as { name: string; tags: string[] }
    const ordered = options.order?.(tags) ?? tags
    const asked = Number(parts.query.get('n') || 0)
    const { size = ordered.length, most = Infinity } = options
    if (asked > most && options.beyond !== undefined) return tooMany(options.beyond, most)
    const n = Math.min(asked === 0 ? size : asked, most)
    const from = positionOf(parts.query, ordered, options)
    if (from === undefined) return failure(400, 'INVALID_PAGINATION_TOKEN')
    const page = ordered.slice(from, from + n)
    const end = from + page.length
    if (page.length === 0 || end >= ordered.length) return json({ name, tags: page, ...options.extra })
    const query = new URLSearchParams()
    query.set(cursor.parameter, cursor.opaque ? seal(end) : page.at(-1)!)
    query.set('n', String(options.linkedSize?.(n) ?? n))
    const target = options.link?.(path, query, place) ?? `${path}?${query}`
    return options.nextIn === 'body'
      ? json({ name, tags: page, next: target, ...options.extra })
      : json({ name, tags: page, ...options.extra }, { Link: `<${target}>; rel="next"` })
  }
}

function positionOf(
  query: URLSearchParams,
  tags: readonly string[],
  { cursor, ignoresLast }: PageOptions,
): number | undefined {
  const { parameter, opaque } = cursor ?? { parameter: 'last', opaque: false }
  const given = query.get(parameter)
  if (opaque && given !== null) return unseal(given)
  const last = query.get('last')
  if (last === null || (ignoresLast && parameter !== 'last')) return 0
  if (ignoresLast && given === null) return 0
  const after = tags.findIndex((tag) => tag > last)
  return after < 0 ? tags.length : after
}

function tooMany(status: number, most: number): Answer {
  const errors = [{ code: 'UNSUPPORTED', message: `Member must have value less than or equal to ${most}` }]
  return { ...json({ errors }), status }
}

/** A cursor of bytes that have to be escaped in a query. */
function seal(position: number): string {
  return Buffer.from(`cursor/${position}/\xff\xfe?>~`, 'latin1').toString('base64')
}

function unseal(cursor: string): number | undefined {
  const position = /^cursor\/(\d+)\//.exec(Buffer.from(cursor, 'base64').toString('latin1'))?.[1]
  return position === undefined || seal(Number(position)) !== cursor ? undefined : Number(position)
}
