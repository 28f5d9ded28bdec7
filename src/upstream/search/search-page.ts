import { isRepositoryName } from '../../oci/reference.ts'
import type { FoundRepository, SearchPage } from '../../ports/search.ts'
import { excessIn } from '../../oci/manifest-json.ts'
import { jsonObject, parseJsonObject } from '../../util/json-object.ts'

/** Repositories of one page, and characters of what is said of each. */
const MOST = 100
const LONGEST = 1_000
/** Of an answer with as many as are read. More takes long to parse. */
const LIMITS = { nesting: 8, values: 5_000 }

/**
 * Reads an answer to a search. What is no name of a repository is left out; clients print the rest on
 * terminals, so that it has no control characters.
 *
 * @returns undefined when it is none: a page for people, an error
 */
export function searchPageOf(body: Buffer): SearchPage | undefined {
  const answer = excessIn(body, LIMITS) === undefined ? parseJsonObject(body) : undefined
  const results = answer?.['results']
  if (answer === undefined || !Array.isArray(results)) return undefined
  const repositories = results.slice(0, MOST).flatMap(found)
  return { total: Math.max(countOf(answer['num_results']), repositories.length), repositories }
}

function found(value: unknown): readonly FoundRepository[] {
  const result = jsonObject(value) ?? {}
  const { name, description } = result
  if (typeof name !== 'string' || !isRepositoryName(name)) return []
  return [
    {
      name,
      description: typeof description === 'string' ? printable(description) : '',
      stars: countOf(result['star_count']),
      isOfficial: result['is_official'] === true,
      isAutomated: result['is_automated'] === true,
    },
  ]
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function printable(text: string): string {
  return text.slice(0, LONGEST).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ')
}
