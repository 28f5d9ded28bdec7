import { LIMITS } from '../body/limits.ts'
import { refusal } from '../failures.ts'
import { ABSENT, type RepositoryRequests } from '../repository-requests.ts'
import { discard, headerOf } from '../requests.ts'
import type { ListRoom } from './list-room.ts'
import type { PageAnswer } from './tag-listing.ts'

/** Fetches what `tags/list` answers to `query`. */
export async function fetchTagPage(
  requests: RepositoryRequests,
  query: string,
  room: ListRoom,
  signal: AbortSignal,
): Promise<PageAnswer | undefined> {
  const response = await requests.get('tags', `tags/list${query && `?${query}`}`, { signal })
  const { status } = response
  if (ABSENT.has(status)) return discard(response)
  if (status >= 400 && status < 500) {
    return { refused: status, error: await refusal(requests.upstream, response) }
  }
  const share = room.share()
  try {
    const body = await requests.read(response, LIMITS.tags, share.take)
    return { body, link: headerOf(response, 'link'), share }
  } catch (error) {
    share[Symbol.dispose]()
    throw error
  }
}
