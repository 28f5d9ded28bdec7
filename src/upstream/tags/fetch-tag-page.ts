import { LIMITS } from '../body/limits.ts'
import { refusal } from '../failures.ts'
import { ABSENT, type RepositoryRequests } from '../repository-requests.ts'
import { discard, headerOf } from '../requests.ts'
import type { ListRoom } from './list-room.ts'
import { readingPace } from '../body/reading-pace.ts'
import type { TagSorter } from './sorter.ts'
import type { PageAnswer } from './tag-listing.ts'

/** Fetches what `tags/list` answers to `query`. */
export async function fetchTagPage(
  requests: RepositoryRequests,
  query: string,
  { room, sorter }: { readonly room: ListRoom; readonly sorter: TagSorter },
  signal: AbortSignal,
): Promise<PageAnswer | undefined> {
  const response = await requests.get('tags', `tags/list${query && `?${query}`}`, { signal })
  const { status } = response
  if (ABSENT.has(status)) return discard(response)
  if (status >= 400 && status < 500) {
    return { refused: status, error: await refusal(requests.upstream, response) }
  }
  using reading = new DisposableStack()
  const share = reading.use(room.share())
  const page = reading.use(sorter.begin())
  const pace = readingPace(signal)
  await requests.readPieces(response, LIMITS.tags, (piece) => {
    share.take(piece.length)
    page.add(piece)
    return pace(piece.length)
  })
  return { page, link: headerOf(response, 'link'), memory: reading.move() }
}
