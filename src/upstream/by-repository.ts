import { LRUCache } from 'lru-cache'

/** Repositories that are remembered. */
const MOST = 10_000

/**
 * What is learnt of each repository of an upstream: one that does not exist, is kept elsewhere, or just changes,
 * says nothing of the others.
 */
export class ByRepository<T extends object> {
  readonly #known = new LRUCache<string, T>({ max: MOST })
  readonly #make: () => T

  /** `make`: what is known of a repository before anything is learnt. */
  constructor(make: () => T) {
    this.#make = make
  }

  of(repository: string): T {
    const known = this.#known.get(repository) ?? this.#make()
    this.#known.set(repository, known)
    return known
  }
}
