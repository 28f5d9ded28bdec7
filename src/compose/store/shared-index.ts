import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Database } from '../../cluster/database.ts'
import { ignoreAway } from '../../cluster/ignore-away.ts'
import { JOINED_FILE, joinedIn } from '../../cluster/index/joined.ts'
import { purgeForAll } from '../../cluster/index/purge-for-all.ts'
import { replicatedLists } from '../../cluster/index/replicated-lists.ts'
import { sharedLinks } from '../../cluster/index/shared-links.ts'
import { sharedTags } from '../../cluster/index/shared-tags.ts'
import { sharedLists } from '../../cluster/index/shared-lists.ts'
import { type Known, tellKnown } from '../../cluster/index/tell-known.ts'
import { publish } from '../../cluster/notice.ts'
import type { ImageCatalogue, PinList } from '../../ports/operations.ts'
import { realFiles } from '../../storage/files.ts'
import type { FilesystemStore } from '../../storage/filesystem-store.ts'
import { lineFile } from '../../storage/line-file.ts'
import type { IndexConfig } from '../../config/storage.ts'

export interface SharedIndex extends AsyncDisposable {
  /** Tells it what a store knows. @returns how many links and tags @throws RegistryError STORAGE */
  tell(known: Known): Promise<number>
}

/** What operators do with a store of a cluster, while no process has it open: it holds on all replicas. */
export interface SharedOperations extends AsyncDisposable {
  readonly pins: PinList
  readonly catalogue: ImageCatalogue
}

/** What changes something throws RegistryError STORAGE while the database does not answer. */
export function openSharedOperations(
  { postgres, password }: IndexConfig,
  root: string,
  store: FilesystemStore,
  now: () => number,
): SharedOperations {
  const database = new Database({ url: postgres, password, asked() {}, now })
  const id = randomUUID()
  const lists = replicatedLists({
    local: store,
    shared: sharedLists(database, id),
    joined: joinedIn(lineFile(realFiles(), join(root, JOINED_FILE)), rethrown),
    changed() {},
    now,
  })
  const purging = purgeForAll({
    catalogue: store.catalogue,
    database,
    tags: sharedTags(database),
    tell: async (pattern) => void (await publish(database, id, { kind: 'purged', pattern })),
  })
  return {
    pins: {
      ...lists.pins,
      async list() {
        // While the database is away, what was known when the store was closed.
        await lists.synchronise().catch(ignoreAway)
        return lists.pins.list()
      },
    },
    catalogue: purging.catalogue,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

function rethrown(error: unknown): never {
  throw error
}

/** Opens the index that replicas share, for a command. */
export function openSharedIndex({ postgres, password }: IndexConfig, now: () => number): SharedIndex {
  const database = new Database({ url: postgres, password, asked() {}, now })
  return {
    tell: (known) => tellKnown(known, { links: sharedLinks(database), tags: sharedTags(database) }),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}
