import { TagList } from '../../oci/tag-list.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { PageRequest, TagPage } from '../../ports/repository.ts'
import type { Asking, ReadOptions } from '../../ports/read-options.ts'
import type { UpstreamRepository } from '../../ports/upstream.ts'
import { contentKey } from '../keys.ts'
import { type ListFreshness, type ShortTermCache, shortTermCache } from '../lists.ts'

/** A repository's tags. */
interface KnownTags {
  /** undefined = too long to be kept. */
  readonly whole: TagList | undefined
}

export type TagLists = ShortTermCache<KnownTags>

/** Bytes: one of the longest lists, or thousands of ordinary ones. */
const KEPT = 20 * 1024 * 1024

/** Whole tag lists in memory, one for each repository, whatever pages of them are asked for. */
export function tagLists({ lists, staleIfError, asking, now }: ListFreshness): TagLists {
  return shortTermCache({
    fresh: () => lists,
    staleIfError: () => staleIfError,
    sizeOf: ({ whole }) => whole?.text.length ?? 0,
    maxBytes: KEPT,
    asking,
    now,
  })
}

/** A page of a repository's tags. Of a list that is too long to be kept, a page of upstream's own. */
export async function listTags(
  { lists, asking }: { readonly lists: TagLists; readonly asking: Asking },
  repository: RepositoryName,
  upstream: UpstreamRepository,
  page: PageRequest,
  read?: ReadOptions,
): Promise<TagPage | undefined> {
  const known = await lists.get(contentKey(repository, 'tags'), () => wholeListOf(upstream), read)
  if (known === undefined) return undefined
  if (known.whole === undefined) return asking(read, () => upstream.tags.page(page, read?.signal))
  const { text, next } = known.whole.page(page.n, page.last)
  return {
    tags: text,
    ...(next !== undefined && { next: { ...(page.n !== undefined && { n: page.n }), last: next } }),
  }
}

async function wholeListOf(upstream: UpstreamRepository): Promise<KnownTags | undefined> {
  const whole = await upstream.tags.whole()
  return whole && { whole: whole === 'too long' ? undefined : whole }
}
