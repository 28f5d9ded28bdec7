import type { RepositoryName } from '../../oci/reference.ts'
import type { SharedTag } from '../../ports/cluster.ts'
import type {
  TagEntry,
  TagHistory,
  TagIndex,
  TagNames,
  TagPast,
  TagPeek,
  TagUses,
} from '../../ports/metadata.ts'
import { whenKnown } from '../../util/async/maybe.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import { ignoreAway } from '../ignore-away.ts'
import type { Outbox } from './outbox.ts'
import type { SharedTags } from './shared-tags.ts'
import type { UncheckedTag } from './trim-tags.ts'

type Tags = TagIndex & TagUses & TagHistory & TagPast & TagPeek & TagNames

export interface ReplicatedTags extends Tags {
  /** Takes over what another replica has learnt of a tag. Does nothing of a tag that nobody asked for here. */
  apply(repository: RepositoryName, tag: string, shared: SharedTag): Promise<void>
  /** What all replicas know of a tag, taken over; undefined while the database is away, or when nobody knows it. */
  latest(repository: RepositoryName, tag: string): Promise<SharedTag | undefined>
}

export interface ReplicatedTagsOptions {
  readonly local: Tags
  readonly shared: SharedTags
  readonly outbox: Outbox
  /** Whether this replica forgets for all. */
  readonly mayTrim: () => Promise<boolean>
  /** What it does not forget. */
  readonly kept: () => Promise<(tag: UncheckedTag) => boolean>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * The tags of this replica, with their past, and behind them those of all replicas. A tag is taken over from
 * the others when it is first asked for, and again with every change. What is known here answers while the
 * database is away.
 */
export function replicatedTags(options: ReplicatedTagsOptions): ReplicatedTags {
  const { local, shared, outbox, mayTrim, kept, now } = options
  const imports = singleFlight<void>()

  return {
    get: (repository, tag) =>
      whenKnown(local.get(repository, tag), (entry) => entry ?? thenLocal('get', repository, tag)),
    peek: async (repository, tag) =>
      (await local.peek(repository, tag)) ?? thenLocal('peek', repository, tag),
    use: local.use,
    names: local.names,
    async history(repository, tag) {
      const known = await local.history(repository, tag)
      return known.length > 0 ? known : thenLocal('history', repository, tag)
    },
    async past(repository, tag) {
      const known = await local.past(repository, tag)
      return known.length > 0 ? known : thenLocal('past', repository, tag)
    },
    async set(repository, tag, entry) {
      await local.set(repository, tag, entry)
      await outbox.send({ kind: 'tag', repository, tag, entry })
    },
    async remove(repository, tag) {
      await local.remove(repository, tag)
      await outbox.send({ kind: 'tag removed', repository, tag, at: now() })
    },
    async removeUnusedSince(instant, keep = () => false) {
      const count = await local.removeUnusedSince(instant, keep)
      if (!(await mayTrim())) return count
      const isKept = await kept()
      await shared.trim(instant, (tag) => keep(tag.repository.upstream) || isKept(tag)).catch(ignoreAway)
      return count
    },
    apply,
    async latest(repository, tag) {
      const found = await shared.find(repository, tag).catch(ignoreAway)
      if (found === undefined) return undefined
      if ((await local.peek(repository, tag)) === undefined) await imported(repository, tag)
      else await apply(repository, tag, found)
      return found
    },
  }

  async function thenLocal<Method extends 'get' | 'peek' | 'history' | 'past'>(
    method: Method,
    repository: RepositoryName,
    tag: string,
  ): Promise<Awaited<ReturnType<Tags[Method]>>> {
    await imported(repository, tag)
    return (await local[method](repository, tag)) as Awaited<ReturnType<Tags[Method]>>
  }

  async function imported(repository: RepositoryName, tag: string): Promise<void> {
    const key = `${repository.upstream} ${repository.name} ${tag}`
    await imports.run(key, () => takeOver(repository, tag))
  }

  /** Takes over a tag that is not known here, with its past. */
  async function takeOver(repository: RepositoryName, tag: string): Promise<void> {
    const found = await shared.find(repository, tag).catch(ignoreAway)
    if (found === undefined) return
    const log = (await shared.log(repository, tag).catch(ignoreAway)) ?? []
    if ((await local.history(repository, tag)).length === 0) {
      for (const { at, digest, goneAt } of log) {
        await local.set(repository, tag, { digest, checkedAt: at })
        if (goneAt !== undefined) await local.set(repository, tag, { digest, checkedAt: goneAt, goneAt })
      }
    }
    if (found.digest !== undefined) await local.set(repository, tag, entryOf(found, found.digest))
    else await local.remove(repository, tag)
  }

  async function apply(repository: RepositoryName, tag: string, found: SharedTag): Promise<void> {
    const known = await local.peek(repository, tag)
    if (known === undefined || known.checkedAt >= found.checkedAt) return
    if (found.digest === undefined) await local.remove(repository, tag)
    else await local.set(repository, tag, entryOf(found, found.digest))
  }
}

function entryOf({ checkedAt, goneAt }: SharedTag, digest: TagEntry['digest']): TagEntry {
  return { digest, checkedAt, ...(goneAt !== undefined && { goneAt }) }
}
