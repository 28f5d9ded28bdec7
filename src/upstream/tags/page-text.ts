import { TagList } from '../../oci/tag-list.ts'
import { type JsonObject, parseJsonObject } from '../../util/json-object.ts'

/** What the body of one page says. */
export interface PageText {
  readonly list: TagList
  /** Where a registry names the next page in the body and not in `Link`. */
  readonly next?: string
}

/** Reads the body of a page. @returns undefined when it is no tag list */
export function readPageText(body: Buffer | string): PageText | undefined {
  const document = parseJsonObject(body)
  if (document === undefined) return undefined
  const { tags = isEmptyList(document) ? [] : undefined, next } = document
  if (tags !== null && !Array.isArray(tags)) return undefined
  return { list: TagList.of(tags ?? []), ...(typeof next === 'string' && next !== '' && { next }) }
}

/** Where a repository has no tags, Go writes `null`, as distribution does, or leaves the list out. */
function isEmptyList({ name, errors }: JsonObject): boolean {
  return typeof name === 'string' && errors === undefined
}
