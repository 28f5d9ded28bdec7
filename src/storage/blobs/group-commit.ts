import { dirname } from 'node:path'
import type { Digest } from '../../oci/digest.ts'
import { limiter } from '../../util/async/limiter.ts'
import type { Files } from '../files.ts'
import type { ContentIndex, ContentRow } from '../index/content-index.ts'
import type { Paths } from '../paths.ts'
import { ignoreNotFound, ignoreStorageError, type StorageOperation } from '../storage-operation.ts'

/** Verified content that is to become durable. Its state survives a failed attempt. */
export interface Committing extends ContentRow {
  readonly digest: Digest
  /** Where its bytes are until they are moved to `blobs/`. */
  readonly path: string
  /** Writes what is still in memory to `path`. */
  write(): Promise<void>
  /** Makes its bytes durable. */
  sync(): Promise<void>
  /** `named`: renamed into `blobs/`, but not yet in the index. */
  stage: 'open' | 'synced' | 'named' | 'committed'
  /** A failed fsync may drop the bytes and reports it only once, so a later success proves nothing. */
  unsynced?: { readonly reason: unknown }
}

export interface GroupCommitOptions {
  readonly files: Pick<Files, 'makeFolder' | 'open' | 'rename' | 'syncFolder'>
  readonly paths: Pick<Paths, 'blob'>
  readonly content: Pick<ContentIndex, 'add' | 'addAll'>
  readonly run: StorageOperation
}

/** One less than libuv has threads: reads do not wait behind a disk that syncs. */
const AT_ONCE = 3

/**
 * Makes content durable and visible, many objects at a time: while one group is on its way to the disk, the
 * next one gathers. A group costs one sync of each folder it touches and one transaction.
 *
 * Whenever the machine stops, the order of the steps leaves each object whole or absent: the bytes are synced
 * before they get their name, and the name before the index knows of it.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions
  readonly #atOnce = limiter(AT_ONCE)
  readonly #made = new Map<string, Promise<void>>()
  /** Folders that are known to be on the disk. */
  readonly #durable = new Set<string>()
  #gathering: { readonly task: Committing; readonly done: PromiseWithResolvers<void> }[] = []
  #isFlushing = false

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  /** May be called again when it failed. @throws RegistryError STORAGE */
  async commit(task: Committing): Promise<void> {
    if (task.unsynced !== undefined) throw task.unsynced.reason
    if (task.stage === 'open') {
      await this.#atOnce(async () => {
        await task.write()
        await noting([task], () => task.sync())
      })
      task.stage = 'synced'
    }
    if (task.stage === 'committed') return
    const done = Promise.withResolvers<void>()
    this.#gathering.push({ task, done })
    void this.#flush()
    await done.promise
  }

  async #flush(): Promise<void> {
    if (this.#isFlushing) return
    this.#isFlushing = true
    while (this.#gathering.length > 0) {
      const group = this.#gathering
      this.#gathering = []
      const tasks = group.map(({ task }) => task)
      const failures = await this.#commitAll(tasks).catch(
        (reason: unknown) => new Map(tasks.map((task) => [task, reason])),
      )
      for (const { task, done } of group) {
        if (task.stage === 'committed') done.resolve()
        else done.reject(failures.get(task))
      }
    }
    this.#isFlushing = false
  }

  /** @returns why those that are not committed are not */
  async #commitAll(tasks: readonly Committing[]): Promise<ReadonlyMap<Committing, unknown>> {
    const failures = new Map<Committing, unknown>()
    const attempt = async (some: readonly Committing[], step: () => Promise<void>): Promise<void> => {
      await step().catch((reason: unknown) => some.forEach((task) => failures.set(task, reason)))
    }
    const left = () => tasks.filter((task) => !failures.has(task))
    const { files, content, run } = this.#options

    const synced = tasks.filter(({ stage }) => stage === 'synced')
    await Promise.all(
      synced.map((task) => attempt([task], () => run('commit', () => this.#atOnce(() => this.#name(task))))),
    )
    const named = left().filter((task) => synced.includes(task))
    const byFolder = Map.groupBy(named, (task) => this.#folderOf(task))
    const sync = (folder: string, some: readonly Committing[]): Promise<void> =>
      attempt(some, () =>
        run('commit', () => this.#atOnce(() => noting(some, () => files.syncFolder(folder)))),
      )
    await Promise.all([...byFolder].map(([folder, some]) => sync(folder, some)))
    const fresh = [...byFolder].filter(([folder]) => !this.#durable.has(folder))
    const byParent = Map.groupBy(fresh, ([folder]) => dirname(folder))
    for (const [parent, folders] of byParent) {
      const some = folders.flatMap(([, tasks]) => tasks)
      await sync(parent, some)
      if (!some.some((task) => failures.has(task))) folders.forEach(([folder]) => this.#durable.add(folder))
    }
    const rest = left()
    const added = rest.length > 1 && (await content.addAll(rest).then(() => true, ignoreStorageError))
    for (const task of rest) {
      await attempt([task], async () => {
        // What keeps a group from being added may be the fault of one row.
        if (added !== true) await content.add(task.digest, task)
        task.stage = 'committed'
      })
    }
    return failures
  }

  /** An eviction removes a folder when it is empty, perhaps just before something is moved into it. */
  async #name(task: Committing): Promise<void> {
    const { files, paths } = this.#options
    const folder = this.#folderOf(task)
    for (;;) {
      await this.#makeFolder(folder)
      const isMoved = await files.rename(task.path, paths.blob(task.digest)).then(
        () => true,
        (error: unknown) => ignoreNotFound(error) ?? false,
      )
      if (isMoved) break
      this.#made.delete(folder)
      this.#durable.delete(folder)
      // Without its part there is nothing to move.
      await (await files.open(task.path, 'r')).close()
    }
    task.stage = 'named'
  }

  #makeFolder(folder: string): Promise<void> {
    const known = this.#made.get(folder)
    if (known !== undefined) return known
    const making = this.#options.files.makeFolder(folder).catch((error: unknown) => {
      this.#made.delete(folder)
      throw error
    })
    this.#made.set(folder, making)
    return making
  }

  #folderOf({ digest }: Committing): string {
    return dirname(this.#options.paths.blob(digest))
  }
}

/** Notes a failed sync with all that it may have lost. */
async function noting(tasks: readonly Committing[], sync: () => Promise<void>): Promise<void> {
  try {
    await sync()
  } catch (reason) {
    for (const task of tasks) task.unsynced = { reason }
    throw reason
  }
}
