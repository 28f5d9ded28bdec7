/** Search for repositories by the first registry protocol: `docker search`, `podman search`. */
import type { RepositoryName } from '../oci/reference.ts'
import type { ReadOptions } from './read-options.ts'

export interface SearchRequest {
  /** Words. */
  readonly term: string
  /** Repositories of a page. */
  readonly size: number
  /** The first one is 1. */
  readonly page: number
}

export interface FoundRepository {
  /** As clients write it: the official images of Docker Hub have no `library/`. */
  readonly name: string
  /** No control characters. */
  readonly description: string
  readonly stars: number
  readonly isOfficial: boolean
  readonly isAutomated: boolean
}

export interface SearchPage {
  /** Of all pages. */
  readonly total: number
  readonly repositories: readonly FoundRepository[]
}

/**
 * Searches one upstream.
 *
 * @returns undefined where the upstream has no search
 * @throws RegistryError as the methods of `UpstreamRepository`
 */
export type SearchUpstream = (request: SearchRequest, signal?: AbortSignal) => Promise<SearchPage | undefined>

/** The names of the repositories of an upstream that something is stored of: the first 100,000, in order. */
export type StoredRepositories = (upstream: string) => Promise<readonly string[]>

/** What clients may search. */
export interface RepositorySearch {
  /** The upstream that is searched under this Host header. undefined = search is off there. */
  upstreamFor(host: string | undefined): string | undefined
  /** `mayRead`: whether the client may pull from a repository. It hears of no other. */
  search(
    upstream: string,
    request: SearchRequest,
    mayRead: (repository: RepositoryName) => boolean,
    options?: ReadOptions,
  ): Promise<SearchPage>
}
