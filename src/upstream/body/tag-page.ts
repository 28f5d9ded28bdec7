import { isTag } from '../../oci/reference.ts'
import type { Page, TagPage } from '../../ports/repository.ts'

/**
 * Reads one page of `tags/list`. Of `Link` only the page it names is used, never its host or path: where the next page is, we
 * know (GHSA-h7vf-4x9w-h99v).
 *
 * @returns undefined when it is no tag list.
 */
export function parseTagPage(body: Buffer, link: string | undefined, asked: Page): TagPage | undefined {
  const listed = parse(body)
  if (!Array.isArray(listed)) return undefined
  const tags = listed.filter((tag): tag is string => typeof tag === 'string' && isTag(tag))
  const next = nextPage(link, asked, tags.at(-1))
  return { tags, ...(next && { next }) }
}

/** A registry with cursors of its own (quay.io's `next_page`) is asked for what follows the last tag, as the spec allows. */
function nextPage(link: string | undefined, asked: Page, lastTag: string | undefined): Page | undefined {
  const target = /<([^>]*)>[^,]*;\s*rel="?next"?/i.exec(link ?? '')?.[1]
  if (target === undefined || !URL.canParse(target, 'http://upstream')) return undefined
  const query = new URL(target, 'http://upstream').searchParams
  const n = /^[1-9]\d{0,8}$/.test(query.get('n') ?? '') ? Number(query.get('n')) : asked.n
  const named = query.get('last')
  const last = named !== null && isTag(named) ? named : lastTag
  // A page that leads back to itself would never end.
  if (last === undefined || last === asked.last) return undefined
  return { last, ...(n !== undefined && { n }) }
}

function parse(body: Buffer): unknown {
  try {
    const document = JSON.parse(body.toString()) as { tags?: unknown } | null
    // distribution answers `null` for a repository without tags.
    return document?.tags === null ? [] : document?.tags
  } catch {
    return undefined
  }
}
