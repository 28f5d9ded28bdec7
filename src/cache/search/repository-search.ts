import { isOutage } from '../../oci/errors.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Asking, ReadOptions } from '../../ports/read-options.ts'
import type {
  FoundRepository,
  RepositorySearch,
  SearchPage,
  SearchRequest,
  SearchUpstream,
  StoredRepositories,
} from '../../ports/search.ts'
import { yieldEvery } from '../../util/async/yield-every.ts'
import { type ShortTermCache, shortTermCache } from '../lists.ts'
import { type RepositoryRules, repositoryRules } from '../repository-rules.ts'
import { type Router, writtenName } from '../routing.ts'

export interface RepositorySearchOptions {
  readonly route: Router
  /** Of those that may be searched, by name. undefined = that upstream is never asked. */
  readonly upstreams: ReadonlyMap<string, SearchUpstream | undefined>
  readonly stored: StoredRepositories
  readonly rules: (upstream: string) => RepositoryRules
  /** Milliseconds that an answer of upstream is served without asking again. */
  readonly lists: number
  /** The same past that, while upstream is unavailable. */
  readonly staleIfError: number
  readonly asking?: Asking
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Bytes of the answers that are kept, each of pages of upstream and of stored names. */
const KEPT = 8 * 1024 * 1024
/** Of a term. Those that follow narrow nothing down. */
const MOST_WORDS = 8
/** Milliseconds that the stored names are kept: whatever clients look for, they are read once in this time. */
const STORED_FOR = 5_000

/**
 * Searches an upstream by its own search, kept for a short while. Where it has none, or is out and nothing is
 * kept, the repositories are found that something is stored of. Nobody hears of what they may not pull.
 */
export function repositorySearch(options: RepositorySearchOptions): RepositorySearch {
  const { route, upstreams, lists, staleIfError, asking, now } = options
  const ofUpstreams: ShortTermCache<SearchPage> = shortTermCache({
    fresh: () => lists,
    staleIfError: () => staleIfError,
    maxBytes: KEPT,
    sizeOf: pageSize,
    asking,
    now,
  })
  const ofStore: ShortTermCache<readonly string[]> = shortTermCache({
    fresh: () => STORED_FOR,
    staleIfError: () => 0,
    maxBytes: KEPT,
    // However long they are, those of one upstream fit, or every search would read them all again.
    sizeOf: (names) =>
      Math.min(
        KEPT / 2,
        names.reduce((bytes, { length }) => bytes + length + 50, 0),
      ),
    now,
  })
  const refusals = new Map([...upstreams.keys()].map((name) => [name, repositoryRules(options.rules(name))]))

  return {
    upstreamFor(host) {
      const upstream = route({ host, name: '' })?.upstream
      return upstream !== undefined && upstreams.has(upstream) ? upstream : undefined
    },
    async search(upstream, request, mayRead, read) {
      const isTold = (name: string): boolean => {
        const repository = named(upstream, name)
        return refusals.get(upstream)!(repository.name) === undefined && mayRead(repository)
      }
      const page = await asked(upstream, request, read)
      if (page === undefined) {
        read?.report?.({ result: 'hit' })
        return storedPage(upstream, request, isTold)
      }
      const repositories = page.repositories.filter(({ name }) => isTold(name))
      const isWhole = repositories.length === page.repositories.length
      return { total: isWhole ? page.total : repositories.length, repositories }
    },
  }

  function named(upstream: string, name: string): RepositoryName {
    return route({ namespace: upstream, name })!
  }

  /** What upstream says. undefined = it has no search, or is out. */
  async function asked(
    upstream: string,
    request: SearchRequest,
    read: ReadOptions | undefined,
  ): Promise<SearchPage | undefined> {
    const search = upstreams.get(upstream)
    const { term, size, page } = request
    if (search === undefined || term === '') return undefined
    try {
      return await ofUpstreams.get(`${upstream} ${size} ${page} ${term}`, () => search(request), read)
    } catch (error) {
      if (isOutage(error)) return undefined
      throw error
    }
  }

  async function storedPage(
    upstream: string,
    { term, size, page }: SearchRequest,
    isTold: (name: string) => boolean,
  ): Promise<SearchPage> {
    const words = term.toLowerCase().split(/\s+/).filter(Boolean).slice(0, MOST_WORDS)
    const all = (await ofStore.get(upstream, () => options.stored(upstream))) ?? []
    const told: string[] = []
    const pause = yieldEvery()
    for (const stored of all) {
      await pause()
      if (!words.every((word) => stored.includes(word))) continue
      const name = writtenName({ upstream, name: stored })
      if (isTold(name)) told.push(name)
    }
    const repositories = told.slice((page - 1) * size, page * size)
    return { total: told.length, repositories: repositories.map((name) => storedOne(upstream, name)) }
  }
}

function storedOne(upstream: string, name: string): FoundRepository {
  const isOfficial = isOneWord(upstream, name)
  return { name, description: 'stored by this cache', stars: 0, isOfficial, isAutomated: false }
}

/** Only the official images of Docker Hub are written as one word. */
function isOneWord(upstream: string, name: string): boolean {
  return upstream === 'docker.io' && !name.includes('/')
}

function pageSize({ repositories }: SearchPage): number {
  return repositories.reduce(
    (bytes, { name, description }) => bytes + 2 * (name.length + description.length) + 200,
    0,
  )
}
