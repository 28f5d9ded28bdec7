import { parseJsonObject } from '../../util/json-object.ts'
import { isTag } from '../../oci/reference.ts'
import type { PageRequest, TagPage } from '../../ports/repository.ts'

/**
 * Reads one page of `tags/list`. From `Link` it takes only the page parameters, never a host or a path
 * (GHSA-h7vf-4x9w-h99v).
 *
 * @returns undefined when the body is not a tag list.
 */
export function parseTagPage(
  body: Buffer,
  link: string | undefined,
  asked: PageRequest,
): TagPage | undefined {
  const listed = tagsIn(body)
  if (!Array.isArray(listed)) return undefined
  const tags = listed.filter((tag): tag is string => typeof tag === 'string' && isTag(tag))
  const next = nextPage(link, asked, tags.at(-1))
  return { tags, ...(next && { next }) }
}

/**
 * For a registry with its own cursors (quay.io's `next_page`) the next page starts after the last tag, as the
 * spec allows.
 */
function nextPage(
  link: string | undefined,
  asked: PageRequest,
  lastTag: string | undefined,
): PageRequest | undefined {
  const target = /<([^>]*)>[^,]*;\s*rel="?next"?/i.exec(link ?? '')?.[1]
  if (target === undefined || !URL.canParse(target, 'http://upstream')) return undefined
  const query = new URL(target, 'http://upstream').searchParams
  const n = /^[1-9]\d{0,8}$/.test(query.get('n') ?? '') ? Number(query.get('n')) : asked.n
  const named = query.get('last')
  const last = named !== null && isTag(named) ? named : lastTag
  // A page that refers to itself would never end.
  if (last === undefined || last === asked.last) return undefined
  return { last, ...(n !== undefined && { n }) }
}

function tagsIn(body: Buffer): unknown {
  const document = parseJsonObject(body)
  // distribution answers `null` for a repository without tags.
  return document?.['tags'] === null ? [] : document?.['tags']
}
