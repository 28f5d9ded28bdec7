import { LRUCache } from 'lru-cache'
import type { ErrorCode, ErrorDetail } from '../oci/errors.ts'

/** One answer that upstream gave for a repository, or how a request for it failed. */
export interface Answer {
  /** Epoch milliseconds. */
  readonly at: number
  /** What was asked for. */
  readonly kind: 'tag' | 'manifest' | 'blob' | 'blob size' | 'tags' | 'referrers'
  /** The tag or the digest. */
  readonly reference?: string
  /** `absent`: it does not exist there. */
  readonly outcome: 'found' | 'absent' | ErrorCode
  /** Set when it failed. */
  readonly detail?: ErrorDetail
  readonly milliseconds: number
}

/** The last answers, by upstream and by repository. Bounded: the repositories asked longest ago go first. */
export interface Answers {
  record(upstream: string, repository: string, answer: Answer): void
  /** The newest first. */
  of(upstream: string, repository: string): readonly Answer[]
  /** The last one of any repository. */
  lastOf(upstream: string): Answer | undefined
}

/** Repositories, and answers for each: at most 4 MB. */
const REPOSITORIES = 1_000
const EACH = 8

export function answers(): Answers {
  const byRepository = new LRUCache<string, readonly Answer[]>({ max: REPOSITORIES })
  const last = new Map<string, Answer>()

  return {
    record(upstream, repository, answer) {
      const key = `${upstream} ${repository}`
      last.set(upstream, answer)
      byRepository.set(key, [answer, ...(byRepository.get(key) ?? [])].slice(0, EACH))
    },
    of: (upstream, repository) => byRepository.get(`${upstream} ${repository}`) ?? [],
    lastOf: (upstream) => last.get(upstream),
  }
}
