import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { ImagePattern } from '../oci/image-pattern.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { TagChange, TagHistory } from '../ports/metadata.ts'
import type { TagService } from '../ports/repository.ts'
import type { Held, TrustedDigests } from '../ports/time.ts'
import { whenKnown } from '../util/async/maybe.ts'
import { type Settled, settledDigest } from './settled.ts'

export interface CoolDownRule {
  readonly match: Pick<ImagePattern, 'matches' | 'matchesRepository'>
  /** Milliseconds. */
  readonly wait: number
}

export interface CoolDownOptions {
  /** The first that matches an image decides. */
  readonly rules: readonly CoolDownRule[]
  readonly history: TagHistory['history']
  readonly trusted: Pick<TrustedDigests, 'of'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface CoolDown {
  /** The tags of a repository, with the new digests held back that a rule says to. */
  guard(repository: RepositoryName, tags: TagService): TagService
  /** What is served of a tag that points to `digest`; undefined = that digest. */
  heldOf(repository: RepositoryName, tag: string, digest: Digest): Promise<Held | undefined>
  /** What was served of a tag at an instant, whose changes until then are `changes`, newest first. */
  servedThen(
    repository: RepositoryName,
    tag: string,
    changes: readonly TagChange[],
    instant: number,
  ): Promise<Digest>
  /** To be called when another digest is trusted, or is not any more. */
  forget(): void
}

/** What was decided about a tag while it pointed to `of`. */
interface Decision extends Settled {
  readonly of: Digest
  readonly generation: number
}

/** By tag. A map of its own for each repository spares making a key for each request. */
type Decisions = Map<string, Decision>

/** Tags of one repository whose decision is kept in memory. After that many, they are decided anew. */
const MOST = 16

/**
 * Serves the previous digest of a tag until the new one has been seen for some time. The decision is made
 * from the history of the tag, so it outlives a restart and needs no upstream. It is kept in memory until it
 * may change. Repositories that no rule matches are not touched.
 */
export function coolDown({ rules, history, trusted, now }: CoolDownOptions): CoolDown {
  /** Decisions of an earlier one do not hold. */
  let generation = 0

  return {
    guard(repository, tags) {
      const own = rulesOf(repository)
      if (own.length === 0) return tags
      const decisions: Decisions = new Map()
      return {
        list: (page, options) => tags.list(page, options),
        resolve: (tag, options) =>
          whenKnown(tags.resolve(tag, options), (digest) => {
            if (digest === undefined) return undefined
            return whenKnown(decide(own, decisions, repository, tag, digest), (settled) => {
              if (settled.digest !== digest) options?.report?.({ result: 'hit', heldUntil: settled.until })
              return settled.digest
            })
          }),
      }
    },

    async heldOf(repository, tag, digest) {
      const wait = waitOf(rulesOf(repository), repository, tag, digest)
      if (wait === 0) return undefined
      const settled = await settle(repository, tag, digest, wait)
      return settled.digest === digest ? undefined : settled
    },

    async servedThen(repository, tag, changes, instant) {
      const { digest } = changes[0]!
      const wait = waitOf(rulesOf(repository), repository, tag, digest)
      if (wait === 0) return digest
      return settledDigest(changes, { wait, trusted: await trusted.of(repository), now: instant })!.digest
    },

    forget() {
      generation += 1
    },
  }

  function rulesOf(repository: RepositoryName): readonly CoolDownRule[] {
    return rules.filter(({ match }) => match.matchesRepository(repository))
  }

  function decide(
    own: readonly CoolDownRule[],
    decisions: Decisions,
    repository: RepositoryName,
    tag: string,
    digest: Digest,
  ): Settled | Promise<Settled> {
    const known = decisions.get(tag)
    if (known?.of === digest && known.generation === generation) {
      if (known.until === Infinity || now() < known.until) return known
    }
    const wait = waitOf(own, repository, tag, digest)
    if (wait > 0) return settleAndKeep(decisions, repository, tag, digest, wait)
    const settled = { digest, until: Infinity }
    keep(decisions, tag, { of: digest, ...settled, generation })
    return settled
  }

  async function settleAndKeep(
    decisions: Decisions,
    repository: RepositoryName,
    tag: string,
    digest: Digest,
    wait: number,
  ): Promise<Settled> {
    const startedIn = generation
    try {
      const settled = await settle(repository, tag, digest, wait)
      keep(decisions, tag, { of: digest, ...settled, generation: startedIn })
      return settled
    } catch (error) {
      // The history cannot be read. What was served last is served again, if that is known.
      if (!isRegistryError(error, 'STORAGE')) throw error
      return decisions.get(tag) ?? { digest, until: Infinity }
    }
  }

  async function settle(
    repository: RepositoryName,
    tag: string,
    digest: Digest,
    wait: number,
  ): Promise<Settled> {
    const changes = await history(repository, tag)
    // A change that could not be written was seen now.
    const all = changes[0]?.digest === digest ? changes : [{ at: now(), digest }, ...changes]
    return settledDigest(all, { wait, trusted: await trusted.of(repository), now: now() })!
  }
}

function keep(decisions: Decisions, tag: string, decision: Decision): void {
  if (decisions.size >= MOST && !decisions.has(tag)) decisions.clear()
  decisions.set(tag, decision)
}

function waitOf(
  rules: readonly CoolDownRule[],
  repository: RepositoryName,
  tag: string,
  digest: Digest,
): number {
  return rules.find(({ match }) => match.matches({ repository, tag, digest }))?.wait ?? 0
}
