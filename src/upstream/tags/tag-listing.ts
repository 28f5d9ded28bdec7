import { TagList } from '../../oci/tag-list.ts'
import type { UpstreamTags } from '../../ports/upstream.ts'
import type { PageRequest, TagPage } from '../../ports/repository.ts'
import { invalidAnswer } from '../failures.ts'
import { nextPage, withSize } from './next-page.ts'
import type { PageReading } from './page-reading.ts'
import { PageSize } from './page-size.ts'
import type { TagSorter } from './sorter.ts'

/**
 * One answer to `tags/list`, whose body has a share of memory until that is disposed; `refused` when its
 * status is of a kind that a smaller page may avoid.
 */
export type PageAnswer =
  | {
      readonly page: Pick<PageReading, 'end'>
      readonly link: string | undefined
      readonly memory: Disposable
    }
  | { readonly refused: number; readonly error: unknown }

export interface TagListingOptions {
  readonly upstream: string
  /** Asks `tags/list` with this query. undefined = the repository does not exist. */
  readonly ask: (query: string, signal?: AbortSignal) => Promise<PageAnswer | undefined>
  readonly size: PageSize
  readonly sorter: Pick<TagSorter, 'merge'>
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

interface UpstreamPage {
  readonly list: TagList
  /** Query of the next page. */
  readonly next?: string
}

/** Of a whole list; and what a page counts at least, so that empty pages end too. Bytes. */
const LONGEST_LIST = 16 * 1024 * 1024
const LEAST_PAGE = 4 * 1024
/** Milliseconds from the first page to the last. Clients wait for a whole list. */
const LONGEST_TIME = 20_000

/**
 * The tags of one repository. Pages are followed by the upstream's own cursors, whatever they are made of,
 * until there are no more: a list is whole, or `undefined` for a repository that does not exist, or it fails.
 */
export function tagListing(options: TagListingOptions): UpstreamTags {
  const { upstream, size, sorter, now = () => performance.now() } = options

  async function ask(
    query: string,
    n: number | undefined,
    signal?: AbortSignal,
  ): Promise<UpstreamPage | undefined> {
    for (let wanted = n; ;) {
      const answer = await options.ask(withSize(query, wanted), signal)
      if (answer === undefined) return undefined
      if ('refused' in answer) {
        const smaller = PageSize.below(wanted, answer.refused)
        if (smaller === 'none') throw answer.error
        wanted = smaller
        continue
      }
      if (wanted !== n) size.learn(wanted)
      return read(answer)
    }
  }

  async function read(answer: Exclude<PageAnswer, { refused: number }>): Promise<UpstreamPage> {
    using _ = answer.memory
    const page = await answer.page.end()
    if (page === undefined) throw invalidAnswer(upstream, 'no tag list, or one of more than a million tags')
    const { link } = answer
    const next = nextPage(link, page.next)
    if (next === 'unusable') throw invalidAnswer(upstream, 'tag list with an unusable link to its next page')
    return { list: page.list, ...(next && { next: next.query }) }
  }

  return {
    async whole(signal) {
      const deadline = now() + LONGEST_TIME
      const lists: TagList[] = []
      const seen = new Set<string>()
      let bytes = 0
      // Registries without pages answer everything to this.
      let page = await ask('', undefined, signal)
      if (page === undefined) return undefined
      for (;;) {
        lists.push(page.list)
        bytes += Math.max(page.list.text.length, LEAST_PAGE)
        const { next } = page
        if (next === undefined) return sorter.merge(lists)
        if (seen.has(next)) throw invalidAnswer(upstream, 'tag list that leads back to itself')
        seen.add(next)
        if (bytes > LONGEST_LIST || now() > deadline) return 'too long'
        page = await ask(next, size.n, signal)
        if (page === undefined) throw invalidAnswer(upstream, 'tag list that breaks off', 404)
      }
    },

    async page({ n, last, cursor }, signal): Promise<TagPage | undefined> {
      const wanted = n === undefined ? undefined : Math.min(n, size.n ?? n)
      const query = cursor ?? (last === undefined ? '' : `${new URLSearchParams({ last })}`)
      const page = await ask(query, wanted, signal)
      if (page === undefined) return undefined
      const next: PageRequest | undefined =
        page.next === undefined ? undefined : { ...(n !== undefined && { n }), cursor: page.next }
      return { tags: page.list.text, ...(next && { next }) }
    },
  }
}
