import { TagList } from '../../oci/tag-list.ts'
import { parseJsonObject } from '../../util/json-object.ts'

/** What the body of one page says. */
export interface PageText {
  readonly list: TagList
  /** Where a registry names the next page in the body and not in `Link`. */
  readonly next?: string
}

/** Reads the body of a page. @returns undefined when it is no tag list */
export function readPageText(body: Buffer | string): PageText | undefined {
  const document = parseJsonObject(body)
  // distribution answers `null` for a repository without tags.
  const tags = document?.['tags'] === null ? [] : document?.['tags']
  if (!Array.isArray(tags)) return undefined
  const next = document?.['next']
  return { list: TagList.of(tags), ...(typeof next === 'string' && next !== '' && { next }) }
}
