import type { ImagePattern } from '../../oci/image-pattern.ts'
import type { Pin, PinList } from '../../ports/operations.ts'
import type { ListCopy, RunCopies, TrustedDigest, TrustedDigests } from '../../ports/time.ts'
import { mutex } from '../../util/async/mutex.ts'
import type { SharedLists } from './shared-lists.ts'

type Pins = PinList & ListCopy<Required<Pin>>
type Trusted = TrustedDigests & ListCopy<TrustedDigest>

/** What operators have told one of the replicas: pins and trusted digests. */
export interface ReplicatedLists {
  readonly pins: PinList
  readonly trusted: TrustedDigests
  /** Takes over what the database has. @throws RegistryError STORAGE */
  synchronise(): Promise<void>
}

export interface ReplicatedListsOptions {
  readonly local: {
    readonly pins: Pins
    readonly trusted: Trusted
    readonly runs: Pick<RunCopies, 'forgetAll'>
  }
  readonly shared: SharedLists
  /** The database that the lists here are of, over a restart. */
  readonly joined: { read(): Promise<string | undefined>; write(identity: string): Promise<void> }
  /** The trusted digests may have changed. */
  readonly changed: () => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * The lists that operators keep, the same on all replicas. The database decides: a change that it does not take
 * fails, so that nobody is told of one that only this replica knows. What is asked for is read from the copy
 * here, also while the database is away.
 *
 * A store that joins a database brings along what it was told before. So the lists of a database that is lost
 * come back with its replicas.
 */
export function replicatedLists({
  local,
  shared,
  joined,
  changed,
  now,
}: ReplicatedListsOptions): ReplicatedLists {
  // A list that was read before a change must not be written after it.
  const exclusively = mutex()

  return {
    pins: {
      list: () => local.pins.list(),
      add: (pattern) =>
        exclusively(async () => {
          if (await isConfigured(pattern)) return false
          const isNew = await shared.pins.add({ pattern: pattern.text, addedAt: now() })
          await (isNew ? local.pins.add(pattern) : takeOver())
          return isNew
        }),
      remove: (pattern) =>
        exclusively(async () => {
          const isRemoved = await shared.pins.remove(pattern.text)
          await local.pins.remove(pattern)
          return isRemoved
        }),
    },
    trusted: {
      list: () => local.trusted.list(),
      of: (repository) => local.trusted.of(repository),
      add: (trusted) =>
        exclusively(async () => {
          const result = await shared.trusted.add(trusted)
          if (result === 'added') await local.trusted.add(trusted)
          else await takeOver()
          return result
        }),
      remove: (repository, digest) =>
        exclusively(async () => {
          const isRemoved = await shared.trusted.remove({ repository, digest })
          await local.trusted.remove(repository, digest)
          return isRemoved
        }),
    },
    synchronise: () => exclusively(takeOver),
  }

  async function takeOver(): Promise<void> {
    const identity = await shared.identity()
    if ((await joined.read()) !== identity) {
      await join()
      await joined.write(identity)
    }
    await local.pins.replace(await shared.pins.list())
    await local.trusted.replace(await shared.trusted.list())
    changed()
  }

  async function join(): Promise<void> {
    const pins = (await local.pins.list()).flatMap(({ pattern, addedAt }) =>
      addedAt === undefined ? [] : [{ pattern, addedAt }],
    )
    if (pins.length > 0) await shared.pins.add(...pins)
    const trusted = await local.trusted.list()
    if (trusted.length > 0) await shared.trusted.add(...trusted)
    // What they have chosen may be another digest than that of the other replicas.
    await local.runs.forgetAll()
  }

  async function isConfigured({ text }: ImagePattern): Promise<boolean> {
    return (await local.pins.list()).some(({ pattern, addedAt }) => pattern === text && addedAt === undefined)
  }
}
