import type { SearchPage, SearchUpstream } from '../../ports/search.ts'
import { type Answer, answerOf, withoutAnswer } from './fallback.ts'

/** Searches the first endpoint that has a search, and is not out. */
export function searchEndpoints(
  endpoints: () => readonly { readonly search: SearchUpstream }[],
): SearchUpstream {
  return async (request, signal) => {
    const others: Exclude<Answer<SearchPage>, { kind: 'answered' }>[] = []
    for (const { search } of endpoints()) {
      const answer = await answerOf(search(request, signal))
      if (answer.kind === 'answered') return answer.value
      others.push(answer)
    }
    return withoutAnswer(others)
  }
}
